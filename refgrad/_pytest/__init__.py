"""Behind `refgrad.pytest_plugin`: nothing here imports NumPy before a test has."""
