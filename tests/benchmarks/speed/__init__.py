"""What `run.py` measures, with whom it compares, and how it shows both. `inputs` and `peer` need NumPy alone."""
