"""The discrete VAE on digits: the code, the bound, a step of training, the oracle along the way, figures."""
