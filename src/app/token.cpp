#include "app/token.h"

#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/standard_output.h"
#include "service/token.h"

namespace flash::app {

void run_token(const std::filesystem::path& file) {
    if (std::filesystem::exists(file))
        throw Error(ErrorKind::kFile, file.string() + " is there already; remove it first if nobody needs it");
    const SecretVector<char> token = service::make_token();
    write_file(file, std::string_view(token.data(), token.size()), Access::kOwner);
    print_result("{}\n", to_hex(service::token_hash(std::span(token.data(), token.size()))));
}

}  // namespace flash::app
