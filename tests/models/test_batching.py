"""Cutting and padding."""

from preceptor.models.batching import by_length, cut, pad


def test_cut_counts_padding() -> None:
    lengths = [4, 1, 1, 1, 5]
    assert cut(range(5), lengths, 8) == [[0, 1], [2, 3], [4]]
    assert cut(range(5), lengths, 16, max_rows=3) == [[0, 1, 2], [3, 4]]


def test_a_row_over_the_budget_is_alone() -> None:
    assert cut([0, 1, 2], [3, 50, 3], 10) == [[0], [1], [2]]
    assert cut([], [], 10) == []


def test_by_length_puts_the_longest_first_and_keeps_every_row() -> None:
    lengths = [3, 9, 1, 9, 4]
    batches = by_length(lengths, 18)
    assert batches[0] == [1, 3]
    assert sorted(row for batch in batches for row in batch) == [0, 1, 2, 3, 4]


def test_pad_on_both_sides() -> None:
    tokens, mask = pad([[1, 2, 3], [4]], 7)
    assert tokens.tolist() == [[1, 2, 3], [4, 7, 7]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    tokens, mask = pad([[1, 2, 3], [4]], 7, "left")
    assert tokens.tolist() == [[1, 2, 3], [7, 7, 4]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_what_is_padded_apart_is_counted_apart() -> None:
    sizes = [(2, 6), (6, 2), (4, 4)]
    assert cut(range(3), sizes, 20) == [[0], [1, 2]]  # 12 x 2 and 10 x 2; summed, 8 x 2 each
    assert by_length([(1, 1), (1, 9), (3, 3)], 10) == [[1], [2], [0]]
