"""Draw what a temperature does: the density of the relaxed sample, and the exact bias and deviation of Gumbel-Softmax.

Derivation 07. First figure: samples of three categories over their exact log-density. Second figure: the estimate of
one component of a gradient, on two binary variables that interact, exactly, with sampled means over it.
"""

import sys

import numpy as np
from _shared import command, drawing, record
from scipy.special import expit

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax
from refgrad.objectives import Quadratic

Q = Categorical(np.log([[0.5, 0.3, 0.2]]))
SIMPLEX_TEMPERATURES = (0.5, 1.0, 2.0)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])  # of the triangle, in the plane
PAIR, F = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[-0.8, 1.5], [0.0, 0.6]])
COMPONENT = 0
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#666666"  # Okabe and Ito: safe for the colour-blind
ROWS = np.geomspace(0.01, 100, 9)  # temperatures of the table


def leading_terms():
    """Limits of bias / t and variance * t at t = 0 (Eq. 07.7, 07.9), of mean * t and variance * t**4 at inf (07.10)."""
    z, x = PAIR.support(), np.arange(-45, 45, 0.125)
    density = PAIR.probs * (1 - PAIR.probs)
    weight = np.exp(PAIR.log_prob(z))
    score = PAIR.score(z)[:, COMPONENT]
    bias = 0.0
    for d in range(2):
        path = np.repeat(z[:, None], x.size, axis=1)
        path[..., d] = expit(x)
        slope = F.grad(path)[..., d] * expit(x) * expit(-x)
        edge = np.sum(slope * x, axis=-1) * 0.125
        if d == COMPONENT:
            bias -= density[d] * (1 - 2 * PAIR.probs[d]) * (weight @ edge)
            variance = density[d] * (weight @ np.sum(slope**2, axis=-1)) * 0.125
        else:
            bias -= density[d] * (weight @ (score * edge))
    center, curvature = F.grad(np.full(2, 0.5))[COMPONENT], (F.matrix + F.matrix.T)[COMPONENT]
    return bias, variance, center / 4, np.pi**2 / 768 * np.sum(curvature**2)


def triangulation(n=150):
    """Small triangles: their corners in the plane (p, 2), three indices of each (n**2, 3), centres in the simplex."""
    i, j = (a.ravel() for a in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    keep = i + j <= n
    i, j = i[keep], j[keep]
    number = np.full((n + 2, n + 2), -1)
    number[i, j] = np.arange(i.size)
    points = np.stack([n - i - j, i, j], axis=-1) / n
    up = np.stack([number[i, j], number[i + 1, j], number[i, j + 1]], axis=-1)
    down = np.stack([number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]], axis=-1)
    triangles = np.concatenate([up, down])
    triangles = triangles[(triangles >= 0).all(axis=-1)]
    return points @ CORNERS, triangles, points[triangles].mean(axis=1)


def draw_simplexes(figure, rng):
    """Samples over their log-density, at four temperatures."""
    from matplotlib import colormaps  # noqa: PLC0415  (an extra)

    levels = colormaps["cividis"].resampled(10)  # steps of 1/2
    points, triangles, centers = triangulation()
    axes = figure.subplots(2, 2).ravel()
    for ax, t in zip(axes, ("0", "1/2: log-convex", "1", "2"), strict=True):
        ax.set_title(f"temperature {t}", fontsize=drawing.FONT, y=0.97)
        ax.fill(*CORNERS.T, facecolor="none", edgecolor="black", linewidth=0.8, joinstyle="round", zorder=3)
        ax.set(aspect="equal", xlim=(-0.08, 1.08), ylim=(-0.09, 0.95))
        ax.axis("off")
    axes[0].scatter(*CORNERS.T, s=1500 * Q.probs[0], color=BLUE, zorder=4, clip_on=False)
    for corner, p, x, y in zip(CORNERS, Q.probs[0], (0.22, 0.8, 0.5), (0.11, 0.09, 0.62), strict=True):
        axes[0].annotate(f"{p:.1f}", corner, (x, y), ha="center", va="center")
    noise = Q.draw_noise(250, rng)  # the same in all three
    for ax, t in zip(axes[1:], SIMPLEX_TEMPERATURES, strict=True):
        density = Q.relaxed_log_prob(centers[:, None], t)
        colors = ax.tripcolor(
            *points.T, triangles, facecolors=density, cmap=levels, vmin=-2, vmax=3, rasterized=True, linewidth=0
        )
        sample = Q.relax(noise, t)[:, 0] @ CORNERS
        ax.scatter(*sample.T, s=9, color="white", edgecolors="black", linewidths=0.4, zorder=4, clip_on=False)
    figure.colorbar(colors, ax=axes, label="log-density", extend="both", shrink=0.7, pad=0.02)


def draw_estimate(ax, study):
    """The mean and a band of one standard deviation; the means of samples."""
    t, deviation, gradient = study.temperatures, study.deviation, study.gradient
    mean = gradient + study.bias
    ax.fill_between(t, mean - deviation, mean + deviation, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(t, mean, color=BLUE)
    ax.plot(ROWS[: len(study.sampled)], study.sampled, "o", color="white", markeredgecolor=BLUE, markersize=5)
    ax.axhline(gradient, color="black", linestyle="--", linewidth=1)
    ax.axhline(0, color=GREY, linestyle=":", linewidth=1)
    ax.set(xscale="log", ylabel="estimate of the gradient", ylim=(-0.5, 0.85), xlim=(1e-2, 1e2))
    ax.set_title("mean, and one standard deviation to either side", fontsize=drawing.FONT)
    ax.text(90, gradient + 0.02, "exact gradient", ha="right", va="bottom")
    ax.text(90, -0.02, "zero", ha="right", va="top", color=GREY)


def draw_errors(ax, study):
    """The size of the bias, the deviation, the rms error, and their limits."""
    first, variance, slope, fourth = leading_terms()
    t, bias, deviation, gradient = study.temperatures, study.bias, study.deviation, study.gradient
    small, large = t < 0.3, t > 4
    limits = (
        (t[small], abs(first) * t[small]),
        (t[large], np.abs(slope / t - gradient)[large]),
        (t[small], np.sqrt(variance / t[small])),
        (t[large], np.sqrt(fourth) / t[large] ** 2),
    )
    ax.plot(t, np.hypot(bias, deviation), color=GREEN, linewidth=4, alpha=0.5, label="rms error of one draw")
    ax.plot(t, np.abs(bias), color=BLUE, label="|bias|")
    ax.plot(t, deviation, color=ORANGE, linestyle="-.", label="standard deviation")
    for at, value in limits:
        ax.plot(at, value, color="black", linestyle=(0, (1.5, 1.5)), linewidth=1.2, zorder=5)
    ax.plot([], [], color="black", linestyle=(0, (1.5, 1.5)), linewidth=1.2, label="limits")
    ax.axhline(gradient, color=GREY, linestyle="--", linewidth=1)
    ax.text(0.0115, gradient * 1.12, "|gradient|", color=GREY, va="bottom")
    ax.set(xscale="log", yscale="log", xlabel="temperature", ylabel="error", ylim=(2e-5, 8), xlim=(1e-2, 1e2))
    ax.set_title("bias against variance", fontsize=drawing.FONT)
    ax.legend(loc="lower left", bbox_to_anchor=(0.1, -0.02), frameon=False)


class Study:
    """Exact mean less gradient, and exact standard deviation, over the temperature; sampled means at some."""

    def __init__(self, options):
        self.options, self.draws = options, 10_000 if options.quick else 100_000
        self.between = 5 if options.quick else 10  # steps from one row of the table to the next
        self.all = np.geomspace(ROWS[0], ROWS[-1], self.between * (len(ROWS) - 1) + 1)
        self.gradient = exact.gradient(PAIR, F)[COMPONENT]
        self.moments, self.sampled = [], []

    @property
    def at(self):
        """How far it came."""
        return f"after {len(self.moments)} of {len(self.all)} temperatures"

    @property
    def temperatures(self):
        """Those that are done."""
        return self.all[: len(self.moments)]

    @property
    def bias(self):
        """Exact mean less gradient."""
        return np.array([m.mean[COMPONENT] for m in self.moments]) - self.gradient

    @property
    def deviation(self):
        """Exact standard deviation."""
        return np.sqrt([m.variance[COMPONENT] for m in self.moments])

    def train(self):
        """Go through the temperatures."""
        rng = np.random.default_rng([self.options.seed, 1])
        for i, t in enumerate(command.bar(self.all, "temperature")):
            self.moments.append(exact.moments(GumbelSoftmax(t), PAIR, F))
            if i % self.between == 0:
                self.sampled.append(GumbelSoftmax(t).sample(PAIR, F, self.draws, rng)[:, COMPONENT].mean())

    def table(self):
        """Exact numbers, and how far the mean of samples is from them, in standard errors."""
        rows, at = [], slice(None, self.between * len(self.sampled), self.between)
        for t, bias, sd, mean in zip(
            self.temperatures[at], self.bias[at], self.deviation[at], self.sampled, strict=True
        ):
            z = (mean - self.gradient - bias) / (sd / np.sqrt(self.draws))
            rows.append(
                [f"{t:.3g}", f"{bias:+.5f}", f"{sd:.5f}", f"{np.hypot(bias, sd):.5f}", f"{mean:+.5f}", f"{z:+.1f}"]
            )
        return record.table(["temperature", "bias", "deviation", "rms", "sampled mean", "z"], rows)

    def report(self, partial):
        """Two figures, the table, results.json; nothing before the first temperature is done."""
        if not self.sampled:
            return []
        folder = self.options.out
        simplexes, curves = drawing.figure(6.4, 5.8), drawing.figure(6.4, 7.6)
        draw_simplexes(simplexes, np.random.default_rng(self.options.seed))
        upper, lower = curves.subplots(2, 1, height_ratios=(1, 1.2))
        draw_estimate(upper, self)
        draw_errors(lower, self)
        printed = [f"exact gradient {self.gradient:.5f}; mean of {self.draws:,} draws", *self.table()]
        command.say("\n".join(printed))
        results = {"temperature": self.temperatures, "bias": self.bias, "deviation": self.deviation}
        return [
            drawing.save(simplexes, folder, "07_simplex", partial),
            drawing.save(curves, folder, "07_temperature", partial),
            record.write(
                folder, self.options, printed, {**results, "gradient": self.gradient, "sampled": self.sampled}
            ),
        ]


def main(arguments=None):
    summary = "Draw what the temperature of Gumbel-Softmax does: density, exact bias, exact deviation."
    return command.run(command.parser(__file__, summary, "--out temperature --seed 1"), Study, arguments)


if __name__ == "__main__":
    sys.exit(main())
