import math

import numpy as np
import pytest

from comm_lite.pid.broja import broja
from comm_lite.pid.gaussian import gain_angle, gaussian_scalar, gaussian_vector, mmi

ATOMS = ["R", "U1", "U2", "S"]


def sensors(degrees):
    """Covariance of two unit-noise sensors of a plane and the point Y in it."""
    k = math.radians(degrees)
    h = np.array([[1, 0], [math.cos(k), math.sin(k)]])
    return np.block([[h @ h.T + np.eye(2), h], [h.T, np.eye(2)]])


def random_covariance(seed, n):
    a = np.random.default_rng(seed).normal(size=(n, n + 2))
    return a @ a.T


def information(covariance, one, two):
    """I(A; B) in bits from determinants, as textbooks have it."""
    det = [np.linalg.slogdet(covariance[np.ix_(part, part)])[1] for part in (one, two, one + two)]
    return 0.5 * (det[0] + det[1] - det[2]) / math.log(2)


@pytest.mark.parametrize(("a", "c", "b"), [(0.5, 0.5, 0.0), (0.6, -0.4, 0.2), (0.8, 0.4, 0.5), (1e-4, 0.0, 0.9)])
def test_a_scalar_label_against_determinants(a, c, b):
    covariance = np.array([[1, b, a], [b, 1, c], [a, c, 1]])
    found = gaussian_scalar(corr_yx1=a, corr_yx2=c, corr_x1x2=b)
    wanted = [information(covariance, [0], [2]), information(covariance, [1], [2])]
    assert found.redundancy == pytest.approx(min(wanted), abs=1e-12)
    assert found.redundancy + found.unique1 == pytest.approx(wanted[0], abs=1e-12)
    assert found.total == pytest.approx(information(covariance, [0, 1], [2]), abs=1e-12)
    assert min(found.atoms.values()) >= 0 and found.gap == 0


def test_a_discretised_gaussian_comes_near():
    """A grid of 13 cells an axis weighted by the density; what it loses is less than a hundredth of a bit."""
    from scipy.stats import multivariate_normal

    edges = np.linspace(-3.2, 3.2, 13)
    x1, x2, y = np.meshgrid(edges, edges, edges, indexing="ij")
    a, c, b = 0.6, 0.4, 0.2
    density = multivariate_normal(cov=[[1, b, a], [b, 1, c], [a, c, 1]])
    p = density.pdf(np.stack([x1, x2, y], -1))
    found, wanted = broja(p / p.sum()), gaussian_scalar(corr_yx1=a, corr_yx2=c, corr_x1x2=b)
    assert found.certified
    assert list(found.atoms.values()) == pytest.approx(list(wanted.atoms.values()), abs=0.01)


def test_weak_correlations_keep_their_digits():
    found = gaussian_scalar(corr_yx1=1e-9, corr_yx2=1e-9, corr_x1x2=0.0)
    assert found.redundancy == pytest.approx(0.5e-18 / math.log(2), rel=1e-9)


@pytest.mark.parametrize("given", [(0.9, 0.9, -0.9), (1.0, 0.0, 0.0), (0.5, 0.5, 1.0), (0.5, -0.5, 1.0)])
def test_correlations_that_no_variables_have_are_refused(given):
    names = ("corr_yx1", "corr_yx2", "corr_x1x2")
    with pytest.raises(ValueError, match="must belong to variables with noise of their own, got .*; pass weaker ones"):
        gaussian_scalar(**dict(zip(names, given, strict=True)))


def test_mmi_refuses_a_whole_smaller_than_a_part():
    assert list(mmi(0.5, 0.75, 2.0).atoms.values()) == [0.5, 0, 0.25, 1.25]
    with pytest.raises(ValueError, match="together must be at least 0.75, what one source tells, got 0.6; check units"):
        mmi(0.5, 0.75, 0.6)
    with pytest.raises(ValueError, match="information1 must lie in"):
        mmi(-0.5, 0.75, 0.6)


@pytest.mark.parametrize("degrees", [0, 1e-6, 1, 30, 45, 60, 89, 90])
def test_the_closed_form_of_the_sensors_is_what_the_search_finds(degrees):
    closed, found = gain_angle(float(degrees)), gaussian_vector(sensors(degrees), (1, 1, 2))
    assert found.gap <= 1e-7
    assert list(closed.atoms.values()) == pytest.approx(list(found.atoms.values()), abs=2e-7)
    assert closed.redundancy + closed.unique1 == pytest.approx(0.5, abs=1e-12)
    covariance = sensors(degrees)
    assert closed.total == pytest.approx(information(covariance, [0, 1], [2, 3]), abs=1e-9)


def test_the_closed_form_falls_with_the_angle_and_refuses_others():
    redundancy = [gain_angle(float(angle)).redundancy for angle in range(0, 91, 5)]
    assert all(high > low for high, low in zip(redundancy, redundancy[1:], strict=False))
    with pytest.raises(ValueError, match=r"degrees must lie in \[0.0, 90.0\], got 120.0; pass a value inside"):
        gain_angle(120.0)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 1), (4, 4, 1)])
def test_a_vector_source_and_a_scalar_label_give_barretts_atoms(sizes):
    covariance = random_covariance(sum(sizes), sum(sizes))
    found = gaussian_vector(covariance, sizes)
    n1, n = sizes[0], sizes[0] + sizes[1]
    one, two, label = list(range(n1)), list(range(n1, n)), [n]
    wanted = mmi(*(information(covariance, part, label) for part in (one, two, one + two)))
    assert found.gap <= 1e-7
    assert list(found.atoms.values()) == pytest.approx(list(wanted.atoms.values()), abs=1e-6)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 2, 4), (6, 5, 3)])
def test_no_other_coupling_tells_less(sizes):
    """The certificate against a search of its own: many couplings, none below the bound."""
    covariance, (n1, n2, _) = random_covariance(1, sum(sizes)), sizes
    found = gaussian_vector(covariance, sizes)
    assert 0 <= found.gap <= 1e-7 and min(found.atoms.values()) >= -1e-7
    n = n1 + n2
    one, two, label = list(range(n1)), list(range(n1, n)), list(range(n, n + sizes[2]))
    union = found.unique1 + information(covariance, two, label)
    brought = covariance[:n, n:] @ np.linalg.inv(covariance[n:, n:]) @ covariance[n:, :n]
    noise, rng = covariance[:n, :n] - brought, np.random.default_rng(0)
    roots = [np.linalg.cholesky(noise[np.ix_(part, part)]) for part in (one, two)]
    told = []
    for _ in range(300):
        c = rng.normal(size=(n1, n2))
        c *= rng.uniform(0, 0.999) / np.linalg.norm(c, 2)
        other = covariance.copy()
        other[:n1, n1:n] = brought[:n1, n1:] + roots[0] @ c @ roots[1].T
        other[n1:n, :n1] = other[:n1, n1:n].T
        told.append(information(other, one + two, label))
    assert min(told) >= union - 1e-6
    assert information(covariance, one + two, label) == pytest.approx(found.total, abs=1e-9)


def test_scales_and_order_do_not_matter():
    covariance = random_covariance(5, 6)
    found = gaussian_vector(covariance, (2, 2, 2))
    mix = np.zeros((6, 6))
    for k in range(3):
        mix[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = np.random.default_rng(k).normal(size=(2, 2))
    assert gaussian_vector(mix @ covariance @ mix.T, (2, 2, 2)).atoms == pytest.approx(found.atoms, abs=1e-6)
    order = [2, 3, 0, 1, 4, 5]
    swapped = gaussian_vector(covariance[np.ix_(order, order)], (2, 2, 2))
    assert [swapped.unique2, swapped.unique1] == pytest.approx([found.unique1, found.unique2], abs=1e-6)


@pytest.mark.parametrize(
    ("covariance", "sizes", "text"),
    [
        (np.eye(3), (1, 1, 2), r"covariance must have shape \(4, 4\) for sizes \(1, 1, 2\), got \(3, 3\); order it as"),
        (np.ones((3, 3)), (1, 1, 1), "must be symmetric and positive definite, got one that is not; drop a variable"),
        (np.triu(np.ones((3, 3))) + np.eye(3), (1, 1, 1), "must be symmetric"),
        (np.eye(3), (1, 1), r"sizes must hold three dimensions, of X1, X2 and Y, got \(1, 1\); pass \(n1, n2, ny\)"),
        (np.diag([1.0, np.inf, 1.0]), (1, 1, 1), r"covariance must be finite, got 1 NaN or infinite; look for a const"),
        (np.eye(3), (1, 0, 2), r"sizes\[1\] must be at least 1, got 0"),
    ],
)
def test_wrong_covariances_are_refused(covariance, sizes, text):
    with pytest.raises(ValueError, match=text):
        gaussian_vector(covariance, sizes)


def test_a_gap_above_the_tolerance_is_said():
    with pytest.warns(RuntimeWarning, match=r"certified only to .* bits, more than 1e-30; raise tolerance, or look"):
        found = gaussian_vector(random_covariance(1, 6), (2, 2, 2), tolerance=1e-30)
    assert 0 < found.gap < 1e-6  # it ends, and says how far it came
