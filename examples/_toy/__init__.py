"""The toy of REBAR and RELAX: problems, descent, sampled against exact, where a relaxation stands still, figures."""
