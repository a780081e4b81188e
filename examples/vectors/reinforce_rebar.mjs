// REINFORCE and REBAR in plain JavaScript, checked against the vectors: every field, to the tolerance of each test.
//     refgrad vectors --out DIR
//     node reinforce_rebar.mjs DIR [--answers FILE]        (FILE is for `refgrad vectors --check FILE`)
// Exit status: 0 right, 1 wrong, 2 usage, or a file that cannot be judged.

import { readFileSync, writeFileSync } from "node:fs";

const { abs, exp, expm1, log, log1p, max } = Math;
const sum = (x) => x.reduce((a, b) => a + b, 0);
const dot = (x, y) => sum(x.map((_, i) => x[i] * y[i]));
const sigmoid = (x) => 1 / (1 + exp(-x));
const softplus = (x) => max(x, 0) + log1p(exp(-abs(x)));
const logSoftmax = (x) => x.map((own) => own - max(...x) - log(sum(x.map((other) => exp(other - max(...x))))));
const each = (fn, ...vectors) => vectors[0].map((_, i) => fn(...vectors.map((x) => x[i])));

// What has the shape of z is a list of variables: [number] of a Bernoulli, a number for each category of a Categorical.
// A family says what becomes of one variable. `...Back` takes a slope in what comes out to the slope in what went in.
const bernoulli = {
  weights: ([z]) => [1 - z, z],
  sample: ([l], [noise]) => [l + noise > 0 ? 1 : 0], // Eq. 01.4
  score: ([l], [z]) => [z ? sigmoid(-l) : -sigmoid(l)], // Eq. 01.3
  relax: (t) => ([l], [noise]) => [sigmoid((l + noise) / t)], // Eq. 01.8
  relaxBack: (t) => ([relaxed], [slope]) => [(slope * relaxed * (1 - relaxed)) / t],
  noiseGiven: ([l], [z], [v]) => { // Eq. 01.6: softplus(side noise) = softplus(side v) + softplus(-side l)
    const side = 2 * z - 1, y = softplus(side * v) + softplus(-side * l);
    return [side * (y + log(-expm1(-y)))];
  },
  noiseGivenBack: ([l], [noise], [slope]) => // d(l + noise)/dl = 1 - sigmoid(-side l) / sigmoid(side noise)
    [slope * sigmoid(l + noise > 0 ? l : -l) * -expm1(-abs(l + noise))],
};

const categorical = {
  weights: (z) => z,
  sample: (l, noise) => { // Eq. 01.5
    const x = each((l, noise) => l + noise, l, noise);
    return x.map((_, k) => (k === x.indexOf(max(...x)) ? 1 : 0));
  },
  score: (l, z) => each((logp, one) => one - exp(logp), logSoftmax(l), z), // Eq. 01.3
  relax: (t) => (l, noise) => logSoftmax(each((l, noise) => (l + noise) / t, l, noise)).map(exp), // Eq. 01.9
  relaxBack: (t) => (relaxed, slope) => each((x, own) => (x * (own - dot(relaxed, slope))) / t, relaxed, slope),
  noiseGiven: (l, z, v) => { // Eq. 01.7; a masked category, of probability zero, keeps its v
    const first = dot(z, v), later = (logp, v) => -log(exp(logp - first) + exp(-v));
    return each((logp, one, v) => (one ? v - logp : later(logp, v)), logSoftmax(l), z, v);
  },
  noiseGivenBack: (l, noise, slope) => { // d(l_k + noise_k)/dl_j = own_k, if j is k, and (1 - own_k) p_j for every j
    const x = each((l, noise) => l + noise, l, noise), own = x.map((one) => -expm1(one - max(...x)));
    const shared = sum(each((own, slope) => slope * (1 - own), own, slope));
    return each((logp, own, slope) => slope * own + shared * exp(logp), logSoftmax(l), own, slope);
  },
};

// The objective: a quadratic of the flat z, or values weighted by the product of the weights of each variable's values.
function objective(q, { kind, constant, linear, matrix, values }) {
  const mean = (values, [weights, ...others]) => {
    if (!weights) return values[0];
    const size = values.length / weights.length; // the first variable is the slowest
    return sum(weights.map((weight, k) => weight * mean(values.slice(k * size, (k + 1) * size), others)));
  };
  const quadratic = (z) => constant + dot(linear, z) + dot(z, matrix.map((row) => dot(row, z)));
  return kind === "quadratic" ? (z) => quadratic(z.flat()) : (z) => mean(values, z.map(q.weights));
}

// Every f here has at most the degree two in each entry of z: this difference is its derivative, not an approximation.
const changed = (x, i, to) => x.map((own, j) => (j === i ? to : own));
const slopeOf = (f, z) => z.map((own, d) => own.map((x, k) =>
  (f(changed(z, d, changed(own, k, x + 1))) - f(changed(z, d, changed(own, k, x - 1)))) / 2));
const scaled = (factor, x) => x.map((own) => own.map((number) => factor * number));
const added = (...all) => each((...rows) => each((...numbers) => sum(numbers), ...rows), ...all);

function reinforce(q, f, logits, [noise]) {
  const z = each(q.sample, logits, noise), value = f(z), score = each(q.score, logits, z);
  const gradient = scaled(value, score); // Eq. 02.3
  return { z, value, score, terms: { value_score: gradient }, gradient };
}

function rebar(q, f, logits, [noise, fresh], { temperature, coefficient, coupled }) {
  const relax = q.relax(temperature), back = q.relaxBack(temperature);
  const own = reinforce(q, f, logits, [noise]), { z, score, terms } = own; // Eq. 08.1
  const relaxed = own.relaxed = each(relax, logits, noise); // Eq. 08.2
  own.relaxed_value = f(relaxed);
  own.slope = each(back, relaxed, slopeOf(f, relaxed));
  const given = own.noise_given_z = coupled ? noise : each(q.noiseGiven, logits, z, fresh); // Eq. 08.6
  const relaxedGiven = own.relaxed_given_z = each(relax, logits, given); // Eq. 08.3
  own.relaxed_value_given_z = f(relaxedGiven);
  own.slope_given_z = each(q.noiseGivenBack, logits, given, each(back, relaxedGiven, slopeOf(f, relaxedGiven)));
  terms.control_score = scaled(-coefficient * own.relaxed_value_given_z, score);
  terms.slope = scaled(coefficient, own.slope);
  terms.slope_given_z = scaled(-coefficient, own.slope_given_z);
  return { ...own, gradient: added(...Object.values(terms)) }; // Eq. 08.4
}

const need = (holds, what) => { if (!holds) throw new Error(`needs ${what}`); };
const estimators = { Reinforce: reinforce, Rebar: rebar }, families = { bernoulli, categorical };
const names = ["reinforce-bernoulli", "reinforce-categorical", "rebar-bernoulli", "rebar-categorical"];
const variables = (x) => x.map((own) => [own].flat().map((number) => number ?? -Infinity)); // null: a masked category
const fields = (of) => Object.entries(of).flatMap(([name, x]) => // [name, flat numbers]
  name === "terms" ? fields(x).map(([term, own]) => [`terms.${term}`, own]) : [[name, [x].flat(2)]]);

function load(path) {
  const found = JSON.parse(readFileSync(path, "utf8")), head = JSON.stringify([found?.format, found?.schema]);
  need(head === '["refgrad-vectors",1]', `the format refgrad-vectors, schema 1, but has ${head}`);
  const tests = found.groups.flatMap(({ tests, ...group }) => tests.map((test) => ({ ...group, ...test })));
  need(tests.length && tests.length === found.number_of_tests, `${found.number_of_tests} tests, not ${tests.length}`);
  need(tests.every((test) => estimators[test.estimator] && families[test.family]), "Reinforce or Rebar");
  const parts = ["logits", "noise", "parameters", "objective", "flags", "expected", "atol"];
  need(tests.every((test) => parts.every((part) => test[part]) && test.expected.gradient), `${parts} in each test`);
  for (const test of tests) [test.logits, test.noise] = [variables(test.logits), test.noise.map(variables)];
  return { notes: found.notes, tests };
}

// Flags name the tests whose gradient a mistake moves by ten tolerances of float32: hence `far`, where there are such.
function judge({ notes, tests }, i) {
  for (const test of tests) {
    const { id, flags, atol, objective: wire, parameters } = test, q = families[test.family];
    test.own = estimators[test.estimator](q, objective(q, wire), test.logits, test.noise, parameters);
    const own = Object.fromEntries(fields(test.own));
    const errors = fields(test.expected).flatMap(([field, needs]) => (own[field] ?? [NaN]).map((is, k, all) =>
      ({ field, k, is, right: needs[k], error: needs.length === all.length ? abs(is - (needs[k] ?? NaN)) : NaN })));
    test.share = max(...errors.map(({ error }) => error / atol.float64));
    const off = test.off = errors.find(({ error }) => !(error <= atol.float64));
    test.far = errors.some(({ field, error }) => field === "gradient" && !(error <= 10 * atol.float32));
    if (off) console.log(`  ${id} (${flags[0]}): ${off.field}[${off.k}] is ${off.is}, needs ${off.right}`);
  }
  const right = tests.filter((test) => !test.off).length, percent = 100 * max(...tests.map((test) => test.share));
  const room = `largest error ${percent.toPrecision(2)} % of its tolerance`;
  console.log(`${names[i]}: ${right} of ${tests.length} right, ${room}`);
  const seen = tests.filter(tests.some((test) => test.far) ? (test) => test.far : (test) => test.off);
  const fit = (flag) => seen.filter((test) => test.flags.includes(flag)).length
    / tests.filter((test) => test.flags.includes(flag) || seen.includes(test)).length;
  const flags = seen.length ? Object.keys(notes) : [], best = max(...flags.map(fit));
  for (const flag of flags) if (fit(flag) === best) console.log(`  like ${flag}: ${notes[flag].bug}`);
  return right === tests.length;
}

const [dir, option, answers, ...others] = process.argv.slice(2);
let where = "reinforce_rebar.mjs", files;
try {
  need(dir && (!option || (option === "--answers" && answers)) && !others.length, "DIR and perhaps --answers FILE");
  files = names.map((name) => load(where = `${dir}/${name}.json`));
  if (answers) writeFileSync(where = answers, "");
} catch (error) {
  console.error(`${where}: ${error.message}`.replace(/\s+/g, " "));
  process.exit(2);
}
process.exitCode = files.map(judge).every(Boolean) ? 0 : 1;
const form = { format: "refgrad-answers", schema: 1, implementation: "reinforce_rebar.mjs", precision: "float64" };
const own = files.flatMap(({ tests }) => tests.map((test) => ({ id: test.id, ...test.own })));
const plain = (_, x) => (x?.length === 1 && Number.isFinite(x[0]) ? x[0] : x); // of a Bernoulli: a number, not a list
if (answers) writeFileSync(answers, JSON.stringify({ ...form, vectors: names, answers: own }, plain));
