import pytest

from comm_lite.book.plot import ATOMS, COLOURS, atom_bars, iq_contour

ROWS = {
    "AND": {"R": 0.31, "U1": 0.0, "U2": 0.0, "S": 0.5},
    "signed": {"R": -0.1, "U1": 0.2, "U2": 0.0, "S": 0.3},
}


def test_each_atom_is_a_trace_in_its_colour():
    figure = atom_bars(ROWS, title="finding", alt="in words", upto=1.0)
    assert [trace.name for trace in figure.data] == list(ATOMS.values())
    for trace, atom in zip(figure.data, ATOMS, strict=True):
        assert list(trace.x) == [atoms[atom] for atoms in ROWS.values()] and list(trace.y) == list(ROWS)
        assert trace.marker.color == COLOURS[atom]
    assert figure.layout.barmode == "relative" and figure.layout.meta["alt"] == "in words"
    assert "bits" in figure.layout.xaxis.title.text and tuple(figure.layout.xaxis.range) == (0, 1.0)
    assert figure.layout.yaxis.autorange == "reversed"  # the first row on top
    assert atom_bars(ROWS, title="t", alt="a").layout.xaxis.range is None


def test_more_rows_take_more_room():
    many = {f"row {k}": ROWS["AND"] for k in range(12)}
    assert atom_bars(many, title="t", alt="a").layout.height > atom_bars(ROWS, title="t", alt="a").layout.height


def test_bars_refuse_rows_without_their_atoms():
    with pytest.raises(ValueError, match=r"rows\['AND'\] must hold \['R', 'U1', 'U2', 'S'\], got \['R'\]; pass the"):
        atom_bars({"AND": {"R": 1.0}}, title="t", alt="a")
    with pytest.raises(ValueError, match="rows must hold at least one"):
        atom_bars({}, title="t", alt="a")


def test_the_contour_shows_the_table_and_its_marks():
    figure = iq_contour(
        [0.0, 0.1, 0.2], [0.0, 0.3], [[1.0, 0.5, 0.7], [0.2, 0.4, 0.9]], points={"p": (0.1, 0.3), "q": (0.2, 0.0)},
        title="finding", alt="in words",
    )  # fmt: skip
    contour, *marks = figure.data
    assert contour.z[1][2] == 0.9 and contour.x[2] == 0.2 and contour.y[1] == 0.3
    assert [(mark.name, mark.x[0], mark.y[0]) for mark in marks] == [("p", 0.1, 0.3), ("q", 0.2, 0.0)]
    assert marks[0].marker.symbol != marks[1].marker.symbol and figure.layout.meta["alt"] == "in words"


def test_a_transposed_table_is_refused():
    with pytest.raises(ValueError, match="bits must have 2 rows of 3 numbers, one row a value of y; transpose it"):
        iq_contour([0.0, 0.1, 0.2], [0.0, 0.3], [[1, 2], [1, 2], [1, 2]], points={}, title="t", alt="a")
