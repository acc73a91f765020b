r"""The ledger of what was measured: ``book/ledger.json``, which benchmarks append to and the appendix renders.

A row is never overwritten: a later measurement of a claim is a row of its own, and `latest` picks it.
"""

from comm_lite.ledger.file import append, latest, read_ledger
from comm_lite.ledger.row import PROFILES, Published, Row

__all__ = ["PROFILES", "Published", "Row", "append", "latest", "read_ledger"]
