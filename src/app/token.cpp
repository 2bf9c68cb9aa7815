#include "app/token.h"

#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/standard_output.h"
#include "service/token.h"

namespace flash::app {

void run_token(const std::filesystem::path& file) {
    std::error_code unknown;  // of a folder that may not be read; writing says why
    if (std::filesystem::exists(file, unknown))
        throw Error(ErrorKind::kFile, file.string() + " is there already; remove it first if nobody needs it");
    const SecretVector<char> token = service::make_token();
    write_file(file, std::string_view(token.data(), token.size()), Access::kOwner);
    print_result("{}\n", to_hex(service::token_hash(std::span(token.data(), token.size()))));
}

}  // namespace flash::app
