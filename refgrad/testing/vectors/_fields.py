"""The values that vectors expect, by name."""

__all__ = ["FIELDS"]

FIELDS = {
    "z": "the sample of the first draw of noise: logits + noise above zero, or the largest",
    "value": "f(z)",
    "score": "gradient of log q(z) in the logits",
    "mean": "of z: its probabilities; of a control variate: its mean; of a design: the mean of the estimator",
    "baseline_value": "the baseline of the features",
    "average_after": "the running mean that the next step uses",
    "variance_after": "the running variance that the next step uses",
    "control_value": "the control variate at z",
    "value_at_mean": "f at the mean of z",
    "slope_at_mean": "gradient of f there, in z",
    "expansion": "the Taylor expansion of f at the mean, evaluated at z",
    "mean_slope": "gradient in the logits of the mean of what was subtracted",
    "relaxed": "the relaxed sample of the first draw of noise",
    "relaxed_value": "f, or the control variate, at the relaxed sample",
    "slope": "gradient of relaxed_value in the logits",
    "noise_given_z": "noise that yields z, from the fresh draw",
    "relaxed_given_z": "the relaxed sample of noise_given_z",
    "relaxed_value_given_z": "f, or the control variate, at relaxed_given_z",
    "slope_given_z": "gradient of relaxed_value_given_z in the logits, z held fixed, noise_given_z differentiated too",
    "gradient": "the estimate: the sum of the terms",
}
