// What stands behind flash::Model.
#pragma once

#include "flash/server.h"
#include "model/model.h"
#include "model/twin.h"

namespace flash {

struct Model::Data {
    explicit Data(model::Model the_model);

    model::Model model;
    ModelInfo info;
    model::Twin twin;  // of `model`
};

}  // namespace flash
