// The sub-commands of `flash`. Each adds its options to the program and runs when it was chosen.
#pragma once

namespace CLI {
class App;
}

namespace flash::cli {

void add_compile(CLI::App& program);
void add_plan(CLI::App& program);
void add_serve(CLI::App& program);
void add_infer(CLI::App& program);
void add_models(CLI::App& program);
void add_token(CLI::App& program);
void add_eval(CLI::App& program);
void add_bench(CLI::App& program);

}  // namespace flash::cli
