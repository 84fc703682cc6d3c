/* SPDX-License-Identifier: Apache-2.0 */
/* selftest: no offset is believed before it was seen to hold. */
#include "preload/py/py.h"
