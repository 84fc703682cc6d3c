"""Several blocks on one line: from 3.11 on, each call has a column of its own."""
from truth import *

make = helper.truth_malloc
p = [make(11),  make(22),   make(33)]; alive('malloc', 11, at='make(11)'); alive('malloc', 22, at='make(22)'); alive('malloc', 33, at='make(33)')
q = 'äöü€', make(44); alive('malloc', 44, at='make(44)')
r = (                                                                                                                                                  make(55)); alive('malloc', 55, at='make(55)')
done()
