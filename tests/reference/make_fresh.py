"""Ground truth of further SiameseIM cases, in the layout of tests/golden/base: other sizes, seeds, head dimensions.

    python3 make_fresh.py OUT [NAME...]       (PyTorch, torchvision and Pillow as for make_golden.py)

Without names every case of the table is made.  `siameseim verify OUT/NAME` compares.  The cases are such that float32
arithmetic as such can meet the bounds; it cannot everywhere: with BatchNorm over a dozen tokens, say, PyTorch's own
float32 run strays from its float64 one by 1e-5 in the gradient norm after two optimiser steps.
"""
import sys
from pathlib import Path

import torch

import make_golden as golden
import siameseim_ref as ref

# name: (configuration, batch, hidden patches, seed, momentum base[, "blockwise": hidden patches lie together])
CASES = {
    "head8": (dict(img=24, patch=4, dim=24, depth=3, heads=3, dec_dim=16, dec_heads=2, projector_depth=1, predictor_depth=1), 3, 20, 21, .995),
    "head48": (dict(img=32, patch=8, dim=96, depth=2, heads=2, dec_dim=96, dec_heads=2, projector_depth=2, predictor_depth=2), 5, 9, 22, .9),
    "head64": (dict(img=48, patch=8, dim=128, depth=2, heads=2, dec_dim=64, dec_heads=1, projector_depth=1, predictor_depth=2), 3, 21, 23, .99),
    "odd": (dict(img=35, patch=5, dim=20, depth=1, heads=1, dec_dim=12, dec_heads=3, mlp_ratio=3, projector_depth=1, predictor_depth=1), 2, 31, 24, .5),
    "one_patch_left": (dict(img=20, patch=4, dim=32, depth=2, heads=4, dec_dim=24, dec_heads=3, projector_depth=1, predictor_depth=2,
                            projector_norm="ln"), 6, 24, 25, .995),
    "plain_targets": (dict(img=16, patch=4, dim=16, depth=1, heads=2, dec_dim=16, dec_heads=2, projector_depth=1, predictor_depth=1,
                           target_norm="none"), 4, 9, 30, .99),
    "deep_still": (dict(img=10, patch=2, dim=16, depth=1, heads=2, dec_dim=16, dec_heads=2, mlp_ratio=1, projector_depth=3, predictor_depth=6),
                   4, 5, 35, 1., "blockwise"),
    "shared_bare": (dict(img=10, patch=2, dim=16, depth=2, heads=2, dec_dim=16, dec_heads=2, projector_depth=0, predictor_depth=2, neg_weight=0.,
                         online_ln=True, target_norm="none", train_patch_embed=True), 4, 20, 32, 0.),
    "global_bare": (dict(img=10, patch=2, dim=16, depth=1, heads=2, dec_dim=16, dec_heads=2, projector_depth=1, predictor_depth=1, neg_weight=0.,
                         loss="global", online_ln=True, target_norm="none"), 6, 20, 34, .9, "blockwise"),
    "one_patch_hidden": (dict(img=16, patch=4, dim=32, depth=2, heads=2, dec_dim=32, dec_heads=4, projector_depth=0, predictor_depth=1, loss="global"), 4, 1, 26, 0.),
    "mixed_norms": (dict(img=32, patch=4, dim=48, depth=2, heads=3, dec_dim=40, dec_heads=5, projector_depth=2, predictor_depth=1,
                         projector_norm="ln", predictor_norm="bn", train_patch_embed=True, layer_scale=1e-2), 4, 40, 27, .995),
    "everything": (dict(img=32, patch=8, dim=64, depth=2, heads=4, dec_dim=48, dec_heads=6, projector_depth=1, predictor_depth=2,
                        projector_norm="bn", predictor_norm="ln", online_ln=True, train_patch_embed=True, layer_scale=.5,
                        relative_position="no_scale", neg_weight=.5), 7, 10, 28, .97),
    "long": (dict(img=96, patch=6, dim=32, depth=1, heads=2, dec_dim=32, dec_heads=2, projector_depth=1, predictor_depth=1), 2, 150, 29, .995),
}


def together(masks, grid):
    """Masks of as many patches, those nearest to each image's first hidden one."""
    row, col = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    blocks = torch.zeros_like(masks)
    for block, mask in zip(blocks, masks):
        first = int(mask.nonzero()[0])
        far = torch.maximum((row - first // grid).abs(), (col - first % grid).abs()).flatten()
        block[far.sort(stable=True).indices[:int(mask.sum())]] = True
    return blocks


def make(out, name):
    overrides, size, hidden, seed, momentum, *pattern = CASES[name]
    c = ref.Config(**overrides)
    m = golden.perturbed(c, seed=seed)
    opt = torch.optim.AdamW(ref.adamw_groups(m, golden.WD), lr=1.0, betas=golden.BETAS, eps=1e-8)
    plain, batch = ref.momentum_at, golden.batch
    ref.momentum_at = lambda epoch, base, total: plain(epoch, momentum, total) if momentum else 0.0
    if pattern:
        golden.batch = lambda *args: [together(t, c.grid) if t.dtype == torch.bool else t for t in batch(*args)]
    try:
        loss = golden.walk(out, name, c, m, opt, hidden, lambda x1, x2, mask, geom, mm, trace: m(x1, x2, mask, geom, mm, trace),
                           {"objective": "siameseim", "weight_decay": str(golden.WD), "clip": str(golden.CLIP), "betas": "0.9,0.95"}, size)
    finally:
        ref.momentum_at, golden.batch = plain, batch
    print(name, loss)


if __name__ == "__main__":
    for name in sys.argv[2:] or CASES:
        make(Path(sys.argv[1]), name)
