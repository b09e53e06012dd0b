"""A second, slower reading of the selection rules, written from the contract alone and not from the code.

It keeps every event of a contact in one list and works everything out by scanning it. Where chance decides, it
does not predict: it gives the set of answers that the contract admits.
"""

from tests.model.model import Admissible, Answer, Model
from tests.model.run import complaints_of_run

__all__ = ["Admissible", "Answer", "Model", "complaints_of_run"]
