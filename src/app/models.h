// `flash models`: what a server offers.
#pragma once

#include "app/connect.h"

namespace flash::app {

struct ModelsCommand : ConnectCommand {
    bool json = false;
};

/// Prints the models of a server as a table or as JSON. Throws Error.
void run_models(const ModelsCommand& command);

}  // namespace flash::app
