#include "run_config.h"

#include "procedural.h"

static const struct sim_field seed_fields[] = {
    {"seed", SIM_FIELD_INT, 0, 0, 9007199254740991.0, NULL, "0",
     "keys every random draw of the run; an experiment's `seeds` list sets it"},
};

/* All sections in their order, those of the objectives in `first` .. `end` - 1 of the table; returns how
 * many. */
static int fill(struct sim_section *out, int first, int end)
{
/* clang-format off */
#define SECTION(name, rows, n, about) {#name, rows, n, offsetof(struct sim_run_config, name), about}
    /* clang-format on */
    const struct sim_section before[] = {
        {"", seed_fields, 1, offsetof(struct sim_run_config, seed), ""},
        {"", &sim_objective_field, 1, offsetof(struct sim_run_config, pretrain), ""},
        SECTION(model, sim_vit_fields, sim_vit_field_count, "the encoder"),
    };
    const struct sim_section after[] = {
        SECTION(mask, sim_mask_fields, sim_mask_field_count, "patches hidden in view 1"),
        SECTION(augment, sim_augment_fields, sim_augment_field_count, "how the two views are drawn"),
        SECTION(data, sim_data_fields, sim_data_field_count, "where images come from"),
        SECTION(train, sim_train_fields, sim_train_field_count, "optimiser and length"),
        SECTION(eval, sim_eval_fields, sim_eval_field_count, "how the frozen encoder is scored"),
        SECTION(shift, sim_shift_fields, sim_shift_field_count,
                "corrupted and other images, where eval.robustness asks for them"),
        SECTION(finetune, sim_finetune_fields, sim_finetune_field_count,
                "how the encoder is fine-tuned, where eval.finetune asks for it"),
        SECTION(compute, sim_compute_fields, sim_compute_field_count, "what a device computes in"),
        SECTION(watch, sim_watch_fields, sim_watch_field_count, "what can be seen while it trains"),
    };
#undef SECTION
    int count = 0;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) out[count++] = before[i];
    for (int i = first; i < end; i++) {
        const struct sim_objective_kind *k = &sim_objective_kinds[i];
        out[count++] = (struct sim_section){k->name, k->fields, *k->field_count,
                                            offsetof(struct sim_run_config, pretrain) + k->offset, k->about};
    }
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) out[count++] = after[i];
    return count;
}

/* Of one objective, or of all (objective SIM_OBJECTIVES).  Field counts are constants of other files, so each
 * schema is filled when it is first asked for; its count, written last, says that it is. */
static const struct sim_schema *schema_of(int objective)
{
    enum { SECTIONS = 12 };
    static struct sim_section sections[SIM_OBJECTIVES + 1][SECTIONS + SIM_OBJECTIVES];
    static struct sim_schema schemas[SIM_OBJECTIVES + 1];
    struct sim_schema *s = &schemas[objective];
    if (s->count) return s;
    const int all = objective == SIM_OBJECTIVES;
    s->sections = sections[objective], s->size_bytes = sizeof(struct sim_run_config);
    s->count = fill(sections[objective], all ? 0 : objective, all ? SIM_OBJECTIVES : objective + 1);
    return s;
}

const struct sim_schema *sim_run_schema(void)
{
    return schema_of(SIM_OBJECTIVES);
}

const struct sim_schema *sim_run_schema_of(const struct sim_run_config *c)
{
    return schema_of(c->pretrain.objective);
}

int sim_run_config_takes(const struct sim_run_config *c, const char *key)
{
    const struct sim_schema *s = sim_run_schema_of(c);
    return sim_fields_is_section(s, key) || sim_fields_find(s, key);
}

sim_status sim_run_config_preset(struct sim_run_config *out, int objective)
{
    SIM_TRY(sim_fields_preset(sim_run_schema(), out));
    out->pretrain.objective = objective;
    for (const struct sim_key_value *d = sim_objective_kinds[objective].defaults; d->key; d++)
        SIM_TRY(sim_fields_set(sim_run_schema(), out, d->key, d->value, sim_objective_kinds[objective].name));
    return SIM_OK;
}

/* low <= high of a pair of augment keys. */
static sim_status check_order(double low, double high, const char *low_key, const char *high_key)
{
    if (low <= high) return SIM_OK;
    return sim_fail(SIM_EINVAL, "augment.%s: %g is above augment.%s %g", low_key, low, high_key, high);
}

/* Images there are at most, as far as the configuration alone tells; 0: unknown. */
static int64_t known_images(const struct sim_data_config *d)
{
    int64_t made =
        d->kind == SIM_DATA_PROCEDURAL ? SIM_PROCEDURAL_FAMILIES * d->procedural_train_per_class : 0;
    return d->limit_train && (!made || d->limit_train < made) ? d->limit_train : made;
}

static sim_status check_data(const struct sim_run_config *c)
{
    const struct sim_data_config *d = &c->data;
    int64_t images = known_images(d);
    if (d->kind == SIM_DATA_FOLDER && !d->train[0])
        return sim_fail(
            SIM_EINVAL,
            "data.train: data.kind folder needs the path of the training images (a folder or an archive)");
    if (d->kind == SIM_DATA_FOLDER && !d->val[0] && sim_eval_any(&c->eval))
        return sim_fail(SIM_EINVAL,
                        "data.val: data.kind folder needs the path of validation images to score; or set "
                        "eval.knn, eval.logistic, eval.linear, eval.few_shot and eval.finetune to false");
    if (c->train.epochs > 0 && images && images < c->train.batch_size)
        return sim_fail(SIM_EINVAL,
                        "train.batch_size: a batch of %ld is larger than the %ld images of the training set",
                        (long)c->train.batch_size, (long)images);
    if (c->eval.linear && images && images < c->eval.linear_batch_size)
        return sim_fail(
            SIM_EINVAL,
            "eval.linear_batch_size: a batch of %ld is larger than the %ld images of the training set",
            (long)c->eval.linear_batch_size, (long)images);
    if (c->eval.finetune && c->finetune.epochs > 0 && images && images < c->finetune.batch_size)
        return sim_fail(
            SIM_EINVAL,
            "finetune.batch_size: a batch of %ld is larger than the %ld images of the training set",
            (long)c->finetune.batch_size, (long)images);
    return SIM_OK;
}

static sim_status check_finetune(const struct sim_run_config *c)
{
    if (!c->eval.finetune) return SIM_OK;
    if (c->finetune.encoder[0] && c->train.epochs > 0)
        return sim_fail(
            SIM_EINVAL,
            "finetune.encoder: %s, but with train.epochs %ld the encoder that is pre-trained here is "
            "fine-tuned; set train.epochs to 0, or leave the file out",
            c->finetune.encoder, (long)c->train.epochs);
    return sim_finetune_config_check(&c->finetune);
}

static sim_status check_shift(const struct sim_run_config *c)
{
    int corruptions[SIM_CORRUPTIONS], severities[SIM_SEVERITIES];
    return c->eval.robustness ? sim_shift_lists(&c->shift, corruptions, severities) : SIM_OK;
}

sim_status sim_run_config_check(const struct sim_run_config *c)
{
    struct sim_pretrain_job job;
    SIM_TRY(sim_vit_config_check(&c->model));
    SIM_TRY(sim_run_config_job(c, c->train.batch_size, &job));
    SIM_TRY(sim_objective_kind_of(&c->pretrain)->check(&c->pretrain, &c->model, job.hidden));
    SIM_TRY(sim_train_config_check(&c->train));
    const int64_t grid = c->model.img_size / c->model.patch_size;
    if (c->mask.kind == SIM_MASK_BLOCKWISE && c->mask.min_block > grid * grid)
        return sim_fail(
            SIM_EINVAL,
            "mask.min_block: a block of %ld patches does not fit into the %ld patches of an image",
            (long)c->mask.min_block, (long)(grid * grid));
    SIM_TRY(check_order(c->augment.crop_min, c->augment.crop_max, "crop_min", "crop_max"));
    SIM_TRY(check_order(c->augment.blur_sigma_min, c->augment.blur_sigma_max, "blur_sigma_min",
                        "blur_sigma_max"));
    if (c->augment.same_size && c->augment.same_view)
        return sim_fail(
            SIM_EINVAL,
            "augment.same_size: crops of one size at two places are not what augment.same_view asks "
            "for; one of the two is false");
    if (c->data.val_resize && c->data.val_resize < c->model.img_size)
        return sim_fail(SIM_EINVAL, "data.val_resize: %ld pixels leave no centre crop of model.img_size %ld",
                        (long)c->data.val_resize, (long)c->model.img_size);
    SIM_TRY(sim_eval_config_check(&c->eval));
    SIM_TRY(check_finetune(c));
    SIM_TRY(check_shift(c));
    return check_data(c);
}

sim_status sim_run_config_job(const struct sim_run_config *c, int64_t images, struct sim_pretrain_job *out)
{
    *out = (struct sim_pretrain_job){.vit = &c->model, .config = &c->pretrain, .batch = images};
    return sim_mask_hidden(&c->mask, c->model.img_size / c->model.patch_size, &out->hidden);
}

sim_status sim_run_config_cost(const struct sim_run_config *c, int64_t images, struct sim_cost *out)
{
    struct sim_pretrain_job job;
    SIM_TRY(sim_run_config_job(c, images, &job));
    return sim_objective_kind_of(&c->pretrain)
        ->cost(out, &job, c->compute.precision == SIM_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float));
}

int sim_run_finetunes(const struct sim_run_config *c, int pretrained)
{
    const int trained = c->train.epochs > 0, given = c->finetune.encoder[0] != 0;
    if (!c->eval.finetune) return 0;
    return pretrained ? given || trained : !given && (c->finetune.from_scratch || !trained);
}

sim_status sim_run_config_hash(const struct sim_run_config *c, char out[17])
{
    struct sim_schema schema = *sim_run_schema_of(c);
    struct sim_run_config bare = *c, plain;
    schema.count--; /* watch, the last */
    SIM_TRY(sim_run_config_preset(&plain, c->pretrain.objective));
    if (!c->eval.finetune) bare.finetune = plain.finetune; /* what nobody asks for */
    if (!c->eval.robustness) bare.shift = plain.shift;
    bare.data.workers = bare.data.cache_mb = 0;
    bare.train.save_every_epochs = bare.train.save_every_steps = 0;
    bare.train.save_every_minutes = 0;
    bare.train.keep_last = bare.train.keep_every_epochs = 0;
    bare.finetune.save_every_epochs = 0;
    bare.finetune.save_every_minutes = 0;
    bare.compute.cuda_graph = bare.compute.tune = 0;
    return sim_fields_hash(&schema, &bare, out);
}
