"""Estimators by name, of those that apply."""

from refgrad.testing import built_in
from refgrad.testing.loading import LoadError, load_estimator


class Choices:
    """The estimators that an application can be trained with.

    Parameters
    ----------
    fields : dict of dict
        Fields of a class where the user gives none: `{"GumbelSoftmax": {"temperature": 0.5}, "Nvil": {"features": x}}`.
    usual : list of str
        Those that are trained where the user names none.
    """

    def __init__(self, fields, usual):
        self.fields, self.usual = fields, usual

    def listed(self, why_no_gradient=None):
        """Names of the classes that apply."""
        return [
            cls.__name__
            for cls in built_in.classes()
            if cls.__name__ != "ControlVariate" and not (why_no_gradient and self._differentiates(cls.__name__))
        ]

    def chosen(self, texts, why_no_gradient=None):
        """The estimators that were asked for, or the usual ones.

        Parameters
        ----------
        texts : list of str
            `Name` or `Name(field=value)`.
        why_no_gradient : str, optional
            "with --reward accuracy f has no gradient": refuses what differentiates f, and leaves it out of the usual.

        Raises
        ------
        LoadError
            If one is not known, cannot be made, or does not apply.
        """
        usual = [name for name in self.usual if name.split("(")[0] in self.listed(why_no_gradient)]
        estimators = [self._one(text, why_no_gradient) for text in texts or usual]
        for at, estimator in enumerate(estimators):
            if estimator in estimators[:at]:
                raise LoadError(f"--estimator names {texts[at]} twice")
        return estimators

    def _one(self, text, why_no_gradient):
        name, there = text.split("(")[0].strip(), ", ".join(self.listed(why_no_gradient))
        if name == "ControlVariate":
            raise LoadError(f"{name} needs functions of its own, which no command line can give; there are {there}")
        estimator = load_estimator(text, self.fields)
        if why_no_gradient and estimator.claims.differentiates_f:
            raise LoadError(f"{name} needs a gradient of f, but {why_no_gradient}; those that need none: {there}")
        return estimator

    def _differentiates(self, name):
        return load_estimator(name, self.fields).claims.differentiates_f
