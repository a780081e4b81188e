"""Draw what a temperature does: the density of the relaxed sample, and the exact bias and deviation of Gumbel-Softmax.

Derivation 07. First row: samples of three categories over their exact log-density. Second row: the estimate of one
component of a gradient, on two binary variables that interact; every number is exact.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import expit

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax
from refgrad.objectives import Quadratic

Q = Categorical(np.log([[0.5, 0.3, 0.2]]))
SIMPLEX_TEMPERATURES = (0.5, 1.0, 2.0)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])  # of the triangle, in the plane
PAIR, F = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[-0.8, 1.5], [0.0, 0.6]])
COMPONENT = 0
TEMPERATURES = np.geomspace(0.01, 100, 61)
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#666666"  # Okabe and Ito: safe for the colour-blind


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


def curves():
    """Exact mean less gradient, and exact standard deviation, at every temperature."""
    moments = [exact.moments(GumbelSoftmax(t), PAIR, F) for t in TEMPERATURES]
    mean, variance = (np.array([getattr(m, name)[COMPONENT] for m in moments]) for name in ("mean", "variance"))
    return mean - exact.gradient(PAIR, F)[COMPONENT], np.sqrt(variance)


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


def draw_simplexes(axes, rng):
    """First row; returns the colours of the density."""
    points, triangles, centers = triangulation()
    for ax, t, letter in zip(axes, ("0", "1/2", "1", "2"), "abcd", strict=True):
        ax.set_title(f"({letter}) temperature {t}", fontsize=10)
        ax.fill(*CORNERS.T, facecolor="none", edgecolor="black", linewidth=0.8, joinstyle="round", zorder=3)
        ax.set(aspect="equal", xlim=(-0.12, 1.12), ylim=(-0.13, 0.97))
        ax.axis("off")
    axes[0].scatter(*CORNERS.T, s=1500 * Q.probs[0], color=BLUE, zorder=4, clip_on=False)
    for corner, p, x, y in zip(CORNERS, Q.probs[0], (0.2, 0.83, 0.5), (0.09, 0.08, 0.64), strict=True):
        axes[0].annotate(f"{p:.1f}", corner, (x, y), ha="center", va="center", fontsize=9)
    noise = Q.draw_noise(250, rng)  # the same in all three
    for ax, t in zip(axes[1:], SIMPLEX_TEMPERATURES, strict=True):
        density = Q.relaxed_log_prob(centers[:, None], t)
        colors = ax.tripcolor(
            *points.T, triangles, facecolors=density, cmap="cividis", vmin=-2, vmax=3, rasterized=True, linewidth=0
        )
        sample = Q.relax(noise, t)[:, 0] @ CORNERS
        ax.scatter(*sample.T, s=4, color="white", edgecolors="black", linewidths=0.3, zorder=4, clip_on=False)
    return colors


def draw_estimate(ax, bias, deviation, gradient):
    """Second row, left: the mean and a band of one standard deviation."""
    mean = gradient + bias
    ax.fill_between(TEMPERATURES, mean - deviation, mean + deviation, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(TEMPERATURES, mean, color=BLUE)
    ax.axhline(gradient, color="black", linestyle="--", linewidth=1)
    ax.axhline(0, color=GREY, linestyle=":", linewidth=1)
    ax.set(xscale="log", xlabel="temperature", ylabel="estimate of the gradient", ylim=(-0.45, 0.75))
    ax.set_xlim(TEMPERATURES[[0, -1]])
    ax.set_title("(e) mean, and one standard deviation to either side", fontsize=10)
    ax.text(90, gradient + 0.02, "exact gradient", ha="right", va="bottom", fontsize=9)


def draw_errors(ax, bias, deviation, gradient):
    """Second row, right: the size of the bias, the deviation, the rms error, and their limits."""
    first, variance, slope, fourth = leading_terms()
    t, rms = TEMPERATURES, np.hypot(bias, deviation)
    small, large = t < 0.3, t > 4
    limits = (
        (t[small], abs(first) * t[small], BLUE),
        (t[large], np.abs(slope / t - gradient)[large], BLUE),
        (t[small], np.sqrt(variance / t[small]), ORANGE),
        (t[large], np.sqrt(fourth) / t[large] ** 2, ORANGE),
    )
    ax.plot(t, rms, color=GREEN, linewidth=3, alpha=0.6, label="rms error of one draw")
    ax.plot(t, np.abs(bias), color=BLUE, label="|bias|")
    ax.plot(t, deviation, color=ORANGE, label="standard deviation")
    for at, value, _ in limits:
        ax.plot(at, value, color="black", linestyle=(0, (1.5, 1.5)), linewidth=1.2, zorder=5)
    ax.plot([], [], color="black", linestyle=(0, (1.5, 1.5)), linewidth=1.2, label="limits")
    ax.axhline(gradient, color=GREY, linestyle="--", linewidth=1)
    ax.text(0.0115, gradient * 1.12, "|gradient|", color=GREY, va="bottom", fontsize=9)
    ax.set(xscale="log", yscale="log", xlabel="temperature", ylabel="error", ylim=(2e-5, 8), xlim=(t[0], t[-1]))
    ax.set_title("(f) bias against variance", fontsize=10)
    ax.legend(loc="lower left", bbox_to_anchor=(0.02, 0.01), fontsize=9, frameon=False)


def table(bias, deviation):
    """Rows of numbers, one for each decade and its middle."""
    lines = ["temperature      bias  deviation       rms"]
    for i in range(0, TEMPERATURES.size, 15):
        numbers = (bias[i], deviation[i], np.hypot(bias[i], deviation[i]))
        lines.append(f"{TEMPERATURES[i]:11.4g} {numbers[0]:+9.5f} {numbers[1]:10.5f} {numbers[2]:9.5f}")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Draw what the temperature of Gumbel-Softmax does: density, exact bias, exact deviation.",
        epilog="example: python examples/07_temperature.py --out temperature.pdf --seed 1",
    )
    parser.add_argument("--out", default="temperature.png", metavar="FILE", help="to write (default: %(default)s)")
    parser.add_argument("--seed", default=0, type=int, help="of the samples in the first row (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError:
        parser.exit(2, "07_temperature.py needs matplotlib: pip install 'refgrad[plot]'\n")

    bias, deviation = curves()
    gradient = exact.gradient(PAIR, F)[COMPONENT]
    figure = Figure(figsize=(10, 6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.35), hspace=0.04)
    axes = top.subplots(1, 4)
    colors = draw_simplexes(axes, np.random.default_rng(options.seed))
    top.colorbar(colors, ax=axes, label="log-density", extend="both", shrink=0.8, pad=0.02)
    left, right = bottom.subplots(1, 2)
    draw_estimate(left, bias, deviation, gradient)
    draw_errors(right, bias, deviation, gradient)
    out = Path(options.out)
    figure.savefig(out, dpi=200)
    print(table(bias, deviation))
    print(f"exact gradient {gradient:.5f}; wrote {out}")


if __name__ == "__main__":
    main()
