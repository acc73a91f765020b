r"""What chapters, talk and benchmarks need: teaching aids, figures, the ledger, the controlled experiment."""
