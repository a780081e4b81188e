/* REINFORCE and REBAR in C, checked against the vectors: every field, to the tolerance of each test. libc and libm.
 *     cc -O2 -o reader reinforce_rebar.c -lm && refgrad vectors --out DIR && ./reader DIR/rebar-bernoulli.json ...
 * Exit status: 0 right, 1 wrong, 2 usage, or a file that cannot be judged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

/* JSON stays text: a value is the place where it begins. Commas and colons count as blanks. */
#define BLANK " \t\r\n,:"
enum { DEEPEST = 32, LARGEST = 16, MOST = LARGEST * LARGEST }; /* brackets in brackets; numbers in a z, in a list */
typedef double complex Number, List[MOST];
static const char *path = "reinforce_rebar", *test, *expected;
static char text[1 << 22];

_Noreturn static void refuse(const char *what) { exit((fprintf(stderr, "%s: needs %s\n", path, what), 2)); }
static const char *blank(const char *c) { return c + strspn(c, BLANK); }
static int length(const char *string) { return (int)strcspn(string, "\""); } /* up to the quote at its end */
static const char *behind(const char *c, int depth) { /* the value after this one, or the end of the list */
    char open = *c, *end = (char *)c;
    size_t size = strcspn(c, BLANK "[]{}\"");
    if (depth == DEEPEST) refuse("fewer brackets in brackets");
    if (open == '{' || open == '[') for (c = blank(c + 1); *c != open + 2;) c = behind(c, depth + 1);
    else if (open == '"') for (c++; *c && *c != '"'; c++) c += *c == '\\' && c[1];
    else if (!strncmp(c, "true", 4) || !strncmp(c, "null", 4) || !strncmp(c, "false", 5)) c += size - 1;
    else if (size && isfinite(strtod(c, &end)) && end == c + size) c += size - 1;
    else if (*c) refuse("to be JSON");
    if (!*c) refuse("to be JSON, but ends too early");
    return blank(c + 1);
}
static int same(const char *x, const char *y) { return length(x) == length(y) && !strncmp(x, y, length(x)); }
static const char *find(const char *object, const char *name) {
    const char *c = *object == '{' ? blank(object + 1) : "";
    while (*c == '"' && !same(c + 1, name)) c = behind(behind(c, 0), 0);
    return *c == '"' ? behind(c, 0) : (refuse(name), c);
}
static double number(const char *object, const char *name) { return strtod(find(object, name), NULL); }
static void fill(const char *c, Number *to, int count) { /* numbers in nested lists; null is a masked category */
    const char *end = behind(c, 0);
    for (c += strspn(c, BLANK "["); c < end && count-- > 0 && strchr("-0123456789n", *c); c += strspn(c, BLANK "[]"))
        *to++ = *c == 'n' ? -1e300 : strtod(c, NULL), c = behind(c, 0);
    if (c < end || count) refuse("as many numbers as the shape of the group says, in every list");
}
/* A Bernoulli is a Categorical of two whose other logit and noise are 0 (Eq. 08.8): the others stand behind its own.
 * Derivatives are complex steps: the imaginary part of f(x + h i) is h f'(x), to all digits: h is 1e-100. */
static List logits, noise, fresh, z, gradient, linear, matrix, values;
static int variables, width, own, rebar, bernoulli, coupled, degree, count; /* width: of a variable; own: in the file */
static double constant, temperature, coefficient, tolerance, share;
static int right, all, off, wrong; /* tests until now; numbers that are off in this one; files */
static int at(int d, int k) { return bernoulli ? d + (1 - k) * variables : d * width + k; }
static void relax(const Number *noise, double t, Number *to) { /* Eq. 01.8, Eq. 01.9 */
    for (int i, d = 0; d < variables; d++) for (int k = 0; i = at(d, k), k < width; k++) {
        Number sum = 0;
        for (int j = 0; j < width; j++) sum += exp((logits[at(d, j)] + noise[at(d, j)] - (logits[i] + noise[i])) / t);
        to[i] = 1 / sum;
    }
}
static Number f(const Number *z) { /* a quadratic; or values, each weighted by the entries of z that it belongs to */
    Number sum = constant, value = 0;
    for (int i = 0; i < degree; i++) sum += linear[i] * z[i];
    for (int i = 0; i < degree * degree; i++) sum += z[i / degree] * matrix[i] * z[i % degree];
    for (int c = 0, d, rest; c < count; c++, sum += value) /* the last variable is the fastest */
        for (value = values[rest = c], d = variables; d-- > 0; rest /= width) value *= z[at(d, rest % width)];
    return sum;
}
static void noise_given_z(Number *to) { /* Eq. 01.6, Eq. 01.7 by times of arrival; coupled, of the noise: Eq. 08.6 */
    Number first = 0, p[MOST], *v = coupled ? noise : fresh;
    relax((List){0}, 1, p);
    for (int i, d = 0; d < variables; d++) {
        for (int k = 0; i = at(d, k), k < width; k++) if (creal(z[i])) first = exp(-v[i]) / (coupled ? creal(p[i]) : 1);
        for (int k = 0; i = at(d, k), k < width; k++)
            to[i] = -log(p[i] * first + (1 - z[i]) * (exp(-v[i]) - (coupled ? creal(p[i]) * first : 0)));
        if (bernoulli) to[d] -= to[at(d, 0)], to[at(d, 0)] = 0;
    }
}
static void check(const char *in, const char *name, Number factor, const Number *x, int n) { /* adds up the terms */
    List needs;
    fill(find(in, name), needs, n);
    for (int k = 0; k < n; k++) {
        double is = creal(factor * x[k]), error = fabs(is - creal(needs[k]));
        const char *id = find(test, "id") + 1, *flag = blank(find(test, "flags") + 1), *bug;
        share = fmax(share, error / tolerance), gradient[k] += in == expected ? 0 : is;
        if (error <= tolerance || off++) continue;
        printf("  %.*s (%.*s): %s%s[%d] is %.17g, needs %.17g\n", length(id), id, length(flag + 1), flag + 1,
               in == expected ? "" : "terms.", name, k, is, creal(needs[k]));
        for (; right == all && *flag == '"'; flag = behind(flag, 0)) /* the notes of the first such test */
            bug = find(find(find(text, "notes"), flag + 1), "bug") + 1,
            printf("    %.*s: %.*s\n", length(flag + 1), flag + 1, length(bug), bug);
    }
}
static void work(const char *terms) {
    List score, given, relaxed, slope;
    relax(noise, 1e-300, z), relax((List){0}, 1, score); /* Eq. 08.1, as relaxed at no temperature */
    for (int i = 0; i < own; i++) score[i] = z[i] - score[i], gradient[i] = 0; /* Eq. 01.3 */
    Number value = f(z);
    check(expected, "z", 1, z, own), check(expected, "value", 1, &value, 1), check(expected, "score", 1, score, own);
    check(terms, "value_score", value, score, own); /* Eq. 02.3 */
    for (int i = 0; rebar && i < 2; i++) {
#define NAME(name) (i ? name "_given_z" : name)
        for (int k = 0; k < own; k++) {
            logits[k] += 1e-100 * I;
            if (i) noise_given_z(given);
            relax(i ? given : noise, temperature, relaxed); /* Eq. 08.2, Eq. 08.3 */
            slope[k] = cimag(value = f(relaxed)) / 1e-100, logits[k] = creal(logits[k]);
        }
        if (i) check(expected, "noise_given_z", 1, given, own);
        check(expected, NAME("relaxed"), 1, relaxed, own), check(expected, NAME("relaxed_value"), 1, &value, 1);
        check(expected, NAME("slope"), 1, slope, own);
        if (i) check(terms, "control_score", -coefficient * value, score, own);
        check(terms, NAME("slope"), i ? -coefficient : coefficient, slope, own); /* Eq. 08.4 */
    }
    check(expected, "gradient", 1, gradient, own);
}
int main(int argc, char **argv) {
    if (argc < 2) refuse("FILE.json ...");
    for (; (path = *++argv); wrong |= right < all) {
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        if (!freopen(path, "rb", stdin)) refuse("to be a file that can be read");
        text[fread(text, 1, sizeof text - 1, stdin)] = 0, share = right = all = 0;
        if (*behind(text, 0) || !same(find(text, "format") + 1, "refgrad-vectors") || number(text, "schema") != 1)
            refuse("the format refgrad-vectors, schema 1");
        for (const char *group = blank(find(text, "groups") + 1); *group == '{'; group = behind(group, 0)) {
            const char *of = find(group, "objective"), *in = find(group, "parameters"), *who = find(group, "estimator");
            Number shape[2] = {0, 2};
            bernoulli = same(find(group, "family") + 1, "bernoulli"), rebar = same(who + 1, "Rebar");
            if (!rebar && !same(who + 1, "Reinforce")) refuse("Reinforce or Rebar");
            fill(find(group, "shape"), shape, 2 - bernoulli);
            if (creal(shape[0]) < 1 || creal(shape[1]) < 1 || creal(shape[0] * shape[1]) > LARGEST) refuse("small z");
            variables = creal(shape[0]), width = creal(shape[1]), own = bernoulli ? variables : variables * width;
            degree = same(find(of, "kind") + 1, "quadratic") ? own : 0, count = degree ? 0 : pow(width, variables);
            constant = degree ? number(of, "constant") : 0, coupled = rebar && *find(in, "coupled") == 't';
            fill(find(of, degree ? "linear" : "values"), degree ? linear : values, degree + count);
            if (degree) fill(find(of, "matrix"), matrix, degree * degree);
            if (rebar) temperature = number(in, "temperature"), coefficient = number(in, "coefficient");
            for (test = blank(find(group, "tests") + 1); *test == '{'; test = behind(test, 0), all++, right += !off) {
                const char *draw = blank(find(test, "noise") + 1);
                for (int i = 0; i < MOST; i++) logits[i] = noise[i] = fresh[i] = 0;
                fill(find(test, "logits"), logits, own), fill(draw, noise, own);
                if (rebar && !coupled) fill(behind(draw, 0), fresh, own);
                expected = find(test, "expected"), tolerance = number(find(test, "atol"), "float64"), off = 0;
                work(find(expected, "terms"));
            }
        }
        if (!all || all != number(text, "number_of_tests")) refuse("as many tests as it says, and one at least");
        printf("%.*s: %d of %d right", (int)strcspn(name, "."), name, right, all);
        printf(", largest error %.2g %% of its tolerance\n", 100 * share);
    }
    return wrong;
}
