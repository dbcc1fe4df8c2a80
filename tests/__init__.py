"""The proof of saudagar. `python -m tests.run` runs all of it; see that module for the bars it must clear."""
