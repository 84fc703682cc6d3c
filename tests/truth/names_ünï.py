"""Names that are not ASCII: the file's, the function's, the class's."""
from truth import *


class Größe:
    def fläche_平方(self):
        p = helper.truth_malloc(71); alive('malloc', 71); stack_alive('malloc', 71)


Größe().fläche_平方()
done()
