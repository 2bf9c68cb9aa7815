#include "transport/certificate.h"

#include <sys/stat.h>

#include <fstream>

#include "helpers.h"
#include "scratch.h"

namespace flash::transport {
namespace {

using testing::expect_error;
using testing::Scratch;

TEST(Certificate, SavesAndLoads) {
    const Scratch scratch;
    const Identity made = make_self_signed({"localhost", "127.0.0.1", "::1"});
    save_identity(made, scratch / "server.pem", scratch / "server.key");
    struct stat status {};
    ASSERT_EQ(::stat((scratch / "server.key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
    const Identity loaded = load_identity(scratch / "server.pem", scratch / "server.key");
    EXPECT_EQ(loaded.certificate_pem, made.certificate_pem);
    EXPECT_EQ(fingerprint(loaded), fingerprint(made));
    // Written over without a trace of the temporary files.
    save_identity(made, scratch / "server.pem", scratch / "server.key");
    EXPECT_EQ(scratch.entries(), 2u);
}

TEST(Certificate, RefusesUnusableFiles) {
    const Scratch scratch;
    const Identity first = make_self_signed({"localhost"});
    const Identity second = make_self_signed({"localhost"});
    save_identity(first, scratch / "a.pem", scratch / "a.key");
    save_identity(second, scratch / "b.pem", scratch / "b.key");
    EXPECT_NE(fingerprint(first), fingerprint(second));
    const auto refuse = [&](const char* certificate, const char* key, const char* why) {
        expect_error(ErrorKind::kFile, why, [&] { load_identity(scratch / certificate, scratch / key); });
    };
    refuse("a.pem", "b.key", "is not the private key of");
    refuse("none.pem", "a.key", "No such file");
    refuse("a.pem", "none.key", "No such file");
    refuse("a.key", "a.key", "not a PEM certificate");
    refuse("a.pem", "a.pem", "not an unencrypted PEM private key");
    std::ofstream(scratch / "garbage").write("\0\1\2garbage", 10);
    refuse("garbage", "a.key", "not a PEM certificate");
    refuse("a.pem", "garbage", "not an unencrypted PEM private key");
    std::ofstream(scratch / "empty").flush();
    refuse("empty", "a.key", "not a PEM file");
    expect_error(ErrorKind::kFile, "cannot write",
                 [&] { save_identity(first, scratch / "no/x.pem", scratch / "no/x.key"); });
}

TEST(Certificate, RefusesNamesThatAreNone) {
    for (const char* host : {"", "a b", "x,DNS:evil.example", "a\n", "email:me@example.org"}) {
        expect_error(ErrorKind::kInvalidArgument, "neither", [&] { make_self_signed({host}); });
    }
    expect_error(ErrorKind::kInvalidArgument, "at least one", [] { make_self_signed({}); });
}

TEST(Certificate, ReadsFingerprints) {
    const std::string hex(64, 'a');
    EXPECT_EQ(normalise_fingerprint("sha256:" + hex), "sha256:" + hex);
    EXPECT_EQ(normalise_fingerprint("SHA256:" + std::string(64, 'A')), "sha256:" + hex);
    EXPECT_EQ(normalise_fingerprint(hex), "sha256:" + hex);
    std::string colons;
    for (int i = 0; i < 32; ++i) colons += i == 0 ? "AA" : ":AA";
    EXPECT_EQ(normalise_fingerprint(colons), "sha256:" + hex);
    for (const std::string& bad :
         {std::string(), std::string("sha256:"), "sha256:" + hex + "a", "sha1:" + hex, std::string(64, 'g')}) {
        expect_error(ErrorKind::kInvalidArgument, "64 hexadecimal digits", [&] { normalise_fingerprint(bad); });
    }
    EXPECT_TRUE(same_fingerprint("sha256:" + hex, "sha256:" + hex));
    EXPECT_FALSE(same_fingerprint("sha256:" + hex, "sha256:" + std::string(63, 'a') + "b"));
    EXPECT_FALSE(same_fingerprint("sha256:" + hex, ""));
}

}  // namespace
}  // namespace flash::transport
