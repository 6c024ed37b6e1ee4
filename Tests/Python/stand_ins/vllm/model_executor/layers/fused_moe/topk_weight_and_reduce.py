"""Who weights and adds the rows of a token."""


class TopKWeightAndReduceDelegate:
    """Whoever combines."""


class TopKWeightAndReduceContiguous:
    """The experts."""
