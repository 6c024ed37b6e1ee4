#include "swiftep.h"
