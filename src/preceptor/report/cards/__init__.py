"""Cards in the Hugging Face format: of every saved student, and of every made set."""

from preceptor.report.cards.write import write_cards, write_model_card

__all__ = ["write_cards", "write_model_card"]
