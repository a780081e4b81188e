/* REINFORCE in C, judged over standard input and output; libc and libm alone.
 *
 *     cc -O2 -o c_reinforce c_reinforce.c -lm
 *
 * For every line that asks, one line answers. f(z) is looked up in the "values" of the objective. With the flag
 * --own-sample-baseline every row is the mean over four samples whose baseline is their mean of f, each in it itself:
 * a known mistake, and off by a quarter. The protocol: refgrad/testing/adapters/__init__.py. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 4 };

typedef struct { double *at; size_t size; } Numbers;

/* The numbers behind a key, brackets left aside, up to the end of its outermost array; null is -HUGE_VAL. */
static Numbers numbers(const char *line, const char *key) {
    Numbers found = {NULL, 0};
    const char *c = strstr(line, key);
    int depth = 0;
    if (!c) return found;
    for (c += strlen(key); *c; ) {
        if (strchr("[],", *c)) {
            depth += (*c == '[') - (*c == ']');
            c++;
        } else {
            char *end = (char *)c + 4; /* of null */
            double number = *c == 'n' ? -HUGE_VAL : strtod(c, &end);
            if (end == c) break;
            if (!(found.size & (found.size + 1))) /* 0, 1, 3, 7, ...: full */
                found.at = realloc(found.at, 2 * (found.size + 1) * sizeof *found.at);
            if (!found.at) exit(EXIT_FAILURE);
            found.at[found.size++] = number;
            c = end;
        }
        if (depth <= 0) break;
    }
    return found;
}

static double number(const char *line, const char *key) {
    const char *c = strstr(line, key);
    return c ? strtod(c + strlen(key), NULL) : 0;
}

/* splitmix64: uniform in (0, 1), never at the ends. */
static double uniform(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return ((double)((x ^ (x >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* Draw z by the maximum of the logits and Gumbel noise, a Bernoulli as the categories of logits 0 and l; return f(z)
 * and write the score, z - probs. */
static double draw(Numbers logits, size_t categories, const double *values, uint64_t *state, double *score) {
    size_t place = 0, width = categories ? categories : 1;
    for (size_t d = 0; d < logits.size; d += width) {
        const double *l = logits.at + d;
        if (!categories) { /* 1 - probs = probs at -l: no digits are lost */
            double u = uniform(state);
            int z = *l + log(u) - log1p(-u) > 0;
            score[d] = z ? 1 / (1 + exp(*l)) : -1 / (1 + exp(-*l));
            place = 2 * place + (size_t)z;
            continue;
        }
        size_t z = 0, top = 0;
        double best = -HUGE_VAL, total = 0;
        for (size_t k = 0; k < categories; k++) {
            double perturbed = l[k] - log(-log(uniform(state)));
            if (perturbed > best) best = perturbed, z = k;
            if (l[k] > l[top]) top = k;
        }
        for (size_t k = 0; k < categories; k++) total += exp(l[k] - l[top]);
        for (size_t k = 0; k < categories; k++) score[d + k] = (k == z) - exp(l[k] - l[top]) / total;
        place = categories * place + z;
    }
    return values[place];
}

int main(int argc, char **argv) {
    int wrong = argc > 1 && !strcmp(argv[1], "--own-sample-baseline");
    size_t capacity = 1 << 16, length = 0;
    char *line = malloc(capacity);
    while (line && fgets(line + length, (int)(capacity - length), stdin)) {
        length += strlen(line + length);
        if (line[length - 1] != '\n') { /* the line is longer than that */
            if (length + 1 == capacity) line = realloc(line, capacity *= 2);
            continue;
        }
        length = 0;
        if (strstr(line, "\"noise\":")) {
            printf("{\"id\":%.0f,\"error\":\"noise is not taken: only n and a seed\"}\n", number(line, "\"id\":"));
            fflush(stdout);
            continue;
        }
        Numbers logits = numbers(line, "\"logits\":"), values = numbers(line, "\"values\":");
        Numbers shape = numbers(line, "\"shape\":");
        size_t n = (size_t)number(line, "\"n\":"), size = logits.size;
        size_t categories = shape.size > 1 ? (size_t)shape.at[1] : 0;
        uint64_t state = (uint64_t)number(line, "\"seed\":");
        double *score = malloc(SAMPLES * size * sizeof *score), f[SAMPLES];
        if (!score || !values.at) return EXIT_FAILURE;
        printf("{\"id\":%.0f,\"rows\":[", number(line, "\"id\":"));
        for (size_t row = 0; row < n; row++) {
            double baseline = 0;
            int samples = wrong ? SAMPLES : 1;
            for (int s = 0; s < samples; s++)
                f[s] = draw(logits, categories, values.at, &state, score + (size_t)s * size);
            for (int s = 0; wrong && s < samples; s++) baseline += f[s] / samples; /* its own sample is in it */
            for (size_t i = 0; i < size; i++) {
                double estimate = 0;
                for (int s = 0; s < samples; s++) estimate += (f[s] - baseline) * score[(size_t)s * size + i] / samples;
                printf(isfinite(estimate) ? "%s%.17g" : "%snull", row + i ? "," : "", estimate); /* JSON has no nan */
            }
        }
        puts("]}");
        fflush(stdout);
        free(logits.at), free(values.at), free(shape.at), free(score);
    }
    return EXIT_SUCCESS;
}
