/* The 20 shape families: each draws its parameters, every one its nominal value times 0.8 .. 1.2, and puts
 * down its contours in a frame of its own, upright, y down. */
#include "procedural_parts.h"

#define SIN sim_procedural_sin
#define COS sim_procedural_cos
#define put sim_procedural_contour_put
#define begin sim_procedural_contour_open
#define end sim_procedural_contour_close

/* ------------------------------------------------------------------ pieces */

static void circle(struct outline *o, double x, double y, double radius, int hole)
{
    begin(o);
    for (int i = 0; i < 64; i++) {
        double t = (hole ? 64 - i : i) / 64.0;
        put(o, x + radius * COS(t), y + radius * SIN(t));
    }
    end(o);
}

static void box(struct outline *o, double x0, double y0, double x1, double y1)
{
    begin(o);
    put(o, x0, y0), put(o, x1, y0), put(o, x1, y1), put(o, x0, y1);
    end(o);
}

#define STROKE_POINTS 128

/* A brush line: the contour that keeps `half[i]` away from point i of the centre line, with round ends. */
static void stroke(struct outline *o, const double *x, const double *y, const double *half, int count)
{
    double nx[STROKE_POINTS], ny[STROKE_POINTS];
    for (int i = 0; i < count; i++) {
        int a = i > 0 ? i - 1 : 0, b = i + 1 < count ? i + 1 : count - 1;
        double dx = x[b] - x[a], dy = y[b] - y[a], length = sqrt(dx * dx + dy * dy);
        nx[i] = -dy / length, ny[i] = dx / length;
    }
    begin(o);
    for (int i = 0; i < count; i++) put(o, x[i] + half[i] * nx[i], y[i] + half[i] * ny[i]);
    for (int tip = 0; tip < 2; tip++) {
        int i = tip ? 0 : count - 1;
        double side = tip ? -1 : 1;
        for (int k = 1; k < 8; k++) { /* half a turn from one side of the line to the other */
            double c = side * half[i] * COS(k / 16.0), s = side * half[i] * SIN(k / 16.0);
            put(o, x[i] + c * nx[i] + s * ny[i], y[i] + c * ny[i] - s * nx[i]);
        }
        if (!tip)
            for (int k = count - 1; k >= 0; k--) put(o, x[k] - half[k] * nx[k], y[k] - half[k] * ny[k]);
    }
    end(o);
}

/* ------------------------------------------------------------------ families */

/* From a disk (k = 0) towards a square (k = 1): x^2 + y^2 - k^2 x^2 y^2 = 1, a superellipse without powers.
 */
static void disk(struct sim_rng *r, struct outline *o)
{
    double k = vary(r, 0.55), q = k * k;
    begin(o);
    for (int i = 0; i < 96; i++) {
        double c = COS(i / 96.0), s = SIN(i / 96.0), p = 2 * q * c * c * s * s;
        double radius = p < 1e-9 ? 1 : sqrt((1 - sqrt(1 - 2 * p)) / p);
        put(o, radius * c, radius * s);
    }
    end(o);
}

static void polygon(struct sim_rng *r, struct outline *o)
{
    int corners = 3 + (int)sim_rng_below(r, 4);
    begin(o);
    for (int i = 0; i < corners; i++) {
        double t = (i + draw(r, -0.06, 0.06)) / corners - 0.25 + (corners == 4 ? 0.125 : 0);
        double radius = draw(r, 0.92, 1.08);
        put(o, radius * COS(t), radius * SIN(t));
    }
    end(o);
}

static void star(struct sim_rng *r, struct outline *o)
{
    int spikes = 5 + (int)sim_rng_below(r, 3);
    double inner = vary(r, spikes == 5 ? 0.42 : 0.5);
    begin(o);
    for (int i = 0; i < 2 * spikes; i++) {
        double t = i / (2.0 * spikes) - 0.25, radius = i & 1 ? inner : draw(r, 0.92, 1.08);
        put(o, radius * COS(t), radius * SIN(t));
    }
    end(o);
}

static void gear(struct sim_rng *r, struct outline *o)
{
    int teeth = 8 + (int)sim_rng_below(r, 4);
    double root = 1 - vary(r, 0.22), hole = vary(r, 0.26), crown = vary(r, 0.42) / teeth;
    begin(o);
    for (int i = 0; i < teeth; i++) {
        double t = (double)i / teeth, slope = 0.1 / teeth;
        put(o, root * COS(t - crown / 2 - slope), root * SIN(t - crown / 2 - slope));
        put(o, COS(t - crown / 2), SIN(t - crown / 2));
        put(o, COS(t + crown / 2), SIN(t + crown / 2));
        put(o, root * COS(t + crown / 2 + slope), root * SIN(t + crown / 2 + slope));
    }
    end(o);
    circle(o, 0, 0, hole, 1);
}

static void cross(struct sim_rng *r, struct outline *o)
{
    double wide = vary(r, 0.3), high = vary(r, 0.3);
    double left = -vary(r, 0.9), right = vary(r, 0.9), top = -vary(r, 0.9), bottom = vary(r, 0.9);
    box(o, left, -high, right, high);
    box(o, -wide, top, wide, bottom);
}

static void ring(struct sim_rng *r, struct outline *o)
{
    double inner = vary(r, 0.58), x = draw(r, -0.1, 0.1), y = draw(r, -0.1, 0.1);
    circle(o, 0, 0, 1, 0);
    circle(o, x, y, inner, 1);
}

/* The unit circle's arc from tip to tip, and back along a flatter circle through both tips. */
static void crescent(struct sim_rng *r, struct outline *o)
{
    double opening = vary(r, 0.115); /* turns between the axis and a tip */
    double tip_x = COS(opening), tip_y = SIN(opening), centre = tip_x + vary(r, 0.12) - 0.09;
    if (centre < tip_x) centre = tip_x; /* the way back is at most a half circle */
    double radius = sqrt((centre - tip_x) * (centre - tip_x) + tip_y * tip_y);
    begin(o);
    for (int i = 0; i <= 64; i++) {
        double t = opening + (1 - 2 * opening) * i / 64;
        put(o, COS(t), SIN(t));
    }
    for (int i = 1; i < 48; i++) {
        double y = -tip_y * COS(i / 96.0);
        put(o, centre - sqrt(radius * radius - y * y), y);
    }
    end(o);
}

static void arrow(struct sim_rng *r, struct outline *o)
{
    double shaft = vary(r, 0.17), head = vary(r, 0.55), length = vary(r, 0.75), barb = draw(r, 0, 0.15);
    begin(o);
    put(o, 0, -1), put(o, head, -1 + length + barb), put(o, shaft, -1 + length), put(o, shaft, 1);
    put(o, -shaft, 1), put(o, -shaft, -1 + length), put(o, -head, -1 + length + barb);
    end(o);
}

static void letter_l(struct sim_rng *r, struct outline *o)
{
    double stem = vary(r, 0.42), foot = vary(r, 0.4), width = vary(r, 1.25);
    box(o, 0, 0, stem, 2);
    box(o, 0, 2 - foot, width, 2);
}

static void letter_t(struct sim_rng *r, struct outline *o)
{
    double stem = vary(r, 0.2), bar = vary(r, 0.4), left = -vary(r, 0.85), right = vary(r, 0.85);
    box(o, left, 0, right, bar);
    box(o, -stem, 0, stem, 1.9);
}

/* Two arcs of opposite turn that meet in the middle. */
static void s_bend(struct sim_rng *r, struct outline *o)
{
    double x[STROKE_POINTS], y[STROKE_POINTS], half[STROKE_POINTS], thick = vary(r, 0.26);
    double upper = vary(r, 0.6), lower = vary(r, 0.6), hook = draw(r, 0, 0.06);
    const int arc = 40;
    for (int i = 0; i <= 2 * arc; i++) {
        int below = i > arc;
        double along =
            below ? (i - arc) / (double)arc : 1 - i / (double)arc; /* 0 where they meet, 1 at the tip */
        double t = 0.25 + (0.68 + hook) * along, radius = below ? lower : upper, side = below ? -1 : 1;
        x[i] = side * radius * COS(t);
        y[i] = side * (radius * SIN(t) - radius);
        half[i] = thick * (1 - 0.25 * along);
    }
    stroke(o, x, y, half, 2 * arc + 1);
}

static void heart(struct sim_rng *r, struct outline *o)
{
    double lobe = vary(r, 5.5), notch = vary(r, 2.4), width = vary(r, 16);
    begin(o);
    for (int i = 0; i < 96; i++) {
        double t = i / 96.0, s = SIN(t);
        put(o, width * s * s * s, -(13 * COS(t) - lobe * COS(2 * t) - notch * COS(3 * t) - COS(4 * t)));
    }
    end(o);
}

static void drop(struct sim_rng *r, struct outline *o)
{
    double width = vary(r, 0.75), sharp = vary(r, 0.6);
    begin(o);
    for (int i = 0; i < 96; i++) {
        double t = i / 96.0, s = SIN(t / 2); /* the tip at t = 0 */
        put(o, width * SIN(t) * s * (1 - sharp + sharp * s), -COS(t));
    }
    end(o);
}

static void lens(struct sim_rng *r, struct outline *o)
{
    double width = vary(r, 0.42), radius = (1 + width * width) / (2 * width);
    begin(o);
    for (int i = 0; i < 96; i++) {
        double y = -COS(i / 96.0), bulge = sqrt(radius * radius - y * y) - (radius - width);
        put(o, i < 48 ? bulge : -bulge, y);
    }
    end(o);
}

static void hourglass(struct sim_rng *r, struct outline *o)
{
    double top = vary(r, 0.8), bottom = vary(r, 0.8), waist = vary(r, 0.13), middle = draw(r, -0.12, 0.12);
    double cap = vary(r, 0.16);
    begin(o);
    put(o, -top, -1), put(o, top, -1), put(o, top, -1 + cap), put(o, waist, middle), put(o, bottom, 1 - cap);
    put(o, bottom, 1), put(o, -bottom, 1), put(o, -bottom, 1 - cap), put(o, -waist, middle),
        put(o, -top, -1 + cap);
    end(o);
}

static void comb(struct sim_rng *r, struct outline *o)
{
    int teeth = 4 + (int)sim_rng_below(r, 3);
    double spine = vary(r, 0.42), tooth = vary(r, 0.5) / teeth, length = vary(r, 1.35);
    box(o, -1, -0.8, 1, -0.8 + spine);
    for (int i = 0; i < teeth; i++) {
        double x = -1 + tooth + (2 - 2 * tooth) * i / (teeth - 1);
        box(o, x - tooth, -0.8, x + tooth, -0.8 + spine + length * draw(r, 0.6, 0.75));
    }
}

/* An Archimedean spiral drawn with a brush that widens outwards. */
static void spiral(struct sim_rng *r, struct outline *o)
{
    double x[STROKE_POINTS], y[STROKE_POINTS], half[STROKE_POINTS];
    double turns = draw(r, 1.6, 2.1), phase = sim_rng_uniform(r), thick = vary(r, 0.3);
    for (int i = 0; i < STROKE_POINTS; i++) {
        double along = i / (STROKE_POINTS - 1.0), radius = 0.1 + 0.9 * along, t = phase + turns * along;
        x[i] = radius * COS(t), y[i] = radius * SIN(t);
        half[i] = thick / turns * (0.7 + 0.3 * along);
    }
    stroke(o, x, y, half, STROKE_POINTS);
}

/* A similarity: p -> origin + scale * rotation(p). */
struct map {
    double x, y, c, s; /* c, s: cosine and sine times the scale */
};

static struct map compose(struct map m, double x, double y, double turns, double scale)
{
    double c = scale * COS(turns), s = scale * SIN(turns);
    return (struct map){m.x + m.c * x - m.s * y, m.y + m.s * x + m.c * y, m.c * c - m.s * s,
                        m.s * c + m.c * s};
}

static void place(struct outline *o, struct map m, double x, double y)
{
    put(o, m.x + m.c * x - m.s * y, m.y + m.s * x + m.c * y);
}

struct leaf {
    double angle, shrink, taper, width, bow; /* of the maps that make a frond out of smaller fronds */
};

/* A frond grows up from the origin to (0, -1): at depth 0 a blade, else a stem with smaller fronds on both
 * sides, each the image of the whole under one map of the iterated function system. */
static void frond(struct outline *o, struct map m, const struct leaf *f, int depth, int pairs)
{
    if (depth == 0) {
        static const double blade[][2] = {{0, 0}, {0.7, -0.25}, {1, -0.5}, {0.7, -0.75}, {0, -1}};
        begin(o);
        for (int i = 0; i < 5; i++) place(o, m, f->width * blade[i][0], blade[i][1]);
        for (int i = 3; i > 0; i--) place(o, m, -f->width * blade[i][0], blade[i][1]);
        end(o);
        return;
    }
    begin(o);
    place(o, m, -0.045, 0.08), place(o, m, 0.045, 0.08), place(o, m, 0.008, -1), place(o, m, -0.008, -1);
    end(o);
    for (int i = 0; i < pairs; i++) {
        double at = (i + 0.35) / pairs, scale = f->shrink * (1 - f->taper * at) * (0.75 + 0.25 * (i > 0));
        struct map joint = compose(m, f->bow * at * at, -0.92 * at, 0, 1);
        frond(o, compose(joint, 0, 0, f->angle, scale), f, depth - 1, pairs - 1);
        frond(o, compose(joint, 0, 0, -f->angle, scale), f, depth - 1, pairs - 1);
    }
    frond(o, compose(m, f->bow, -0.8, 0, 0.3), f, 0, 0);
}

static void leaf(struct sim_rng *r, struct outline *o)
{
    struct leaf f = {.angle = vary(r, 0.15),
                     .shrink = vary(r, 0.46),
                     .taper = vary(r, 0.55),
                     .width = vary(r, 0.24),
                     .bow = draw(r, -0.1, 0.1)};
    frond(o, (struct map){0, 0, 1, 0}, &f, 2, 4);
}

static void lattice(struct sim_rng *r, struct outline *o)
{
    int columns = 3 + (int)sim_rng_below(r, 2), rows = 3 + (int)sim_rng_below(r, 2);
    double bar = vary(r, 0.13), over = draw(r, 0, 0.12);
    for (int i = 0; i < columns; i++) {
        double x = -1 + 2.0 * i / (columns - 1);
        box(o, x - bar, -1 - bar - over, x + bar, 1 + bar + over);
    }
    for (int i = 0; i < rows; i++) {
        double y = -1 + 2.0 * i / (rows - 1);
        box(o, -1 - bar - over, y - bar, 1 + bar + over, y + bar);
    }
}

/* A disk whose radius swings in a few harmonics. */
static void blob(struct sim_rng *r, struct outline *o)
{
    double amplitude[6], phase[6], total = vary(r, 0.6), sum = 0;
    for (int k = 2; k < 6; k++) {
        amplitude[k] = draw(r, 0.3, 1);
        phase[k] = sim_rng_uniform(r);
        sum += amplitude[k];
    }
    begin(o);
    for (int i = 0; i < 128; i++) {
        double t = i / 128.0, radius = 1;
        for (int k = 2; k < 6; k++) radius += total * amplitude[k] / sum * COS(k * t + phase[k]);
        put(o, radius * COS(t), radius * SIN(t));
    }
    end(o);
}

/* ------------------------------------------------------------------ the table */

static const struct {
    const char *name;
    void (*outline)(struct sim_rng *r, struct outline *o);
} families[SIM_PROCEDURAL_FAMILIES] = {
    {"disk", disk},         {"polygon", polygon},   {"star", star},           {"gear", gear},
    {"cross", cross},       {"ring", ring},         {"crescent", crescent},   {"arrow", arrow},
    {"letter_l", letter_l}, {"letter_t", letter_t}, {"s_bend", s_bend},       {"heart", heart},
    {"drop", drop},         {"lens", lens},         {"hourglass", hourglass}, {"comb", comb},
    {"spiral", spiral},     {"leaf", leaf},         {"lattice", lattice},     {"blob", blob},
};

const char *sim_procedural_family_name(int family)
{
    return family >= 0 && family < SIM_PROCEDURAL_FAMILIES ? families[family].name : NULL;
}

void sim_procedural_outline(int family, struct sim_rng *r, struct outline *out)
{
    out->contours = out->points = 0;
    families[family].outline(r, out);
}
