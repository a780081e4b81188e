"""The parts of 15_text_gan.py: words, networks, training, the oracle, figures."""
