#include "transport/certificate.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "transport/openssl_types.h"

namespace flash::transport {

namespace {

void must(bool ok, const char* what) {
    if (ok) return;
    ERR_clear_error();
    throw Error(ErrorKind::kInternal, std::string("OpenSSL could not ") + what);
}

// An entry of subjectAltName: "DNS:name" or "IP:address". Names are restricted to what a host name may contain, so that
// none can smuggle further entries into the list.
std::string alternative_name(const std::string& host) {
    if (const IpAddress ip{a2i_IPADDRESS(host.c_str())}) return "IP:" + host;
    ERR_clear_error();
    const bool plain =
        !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](unsigned char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                   c == '_';
        });
    if (!plain)
        throw Error(ErrorKind::kInvalidArgument,
                    "a certificate needs host names or IP addresses; one given is neither");
    return "DNS:" + host;
}

void add_extension(X509* cert, int id, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
    const Extension extension{X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str())};
    must(extension != nullptr && X509_add_ext(cert, extension.get(), -1) == 1, "add a certificate extension");
}

Key parse_key(const SecretVector<char>& pem) {
    const Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(std::min(pem.size(), kMaxPemBytes)))};
    // An empty password instead of the default callback, which would ask on the terminal.
    Key key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")) : nullptr};
    ERR_clear_error();
    require(key != nullptr, ErrorKind::kFile, "this is not an unencrypted PEM private key");
    return key;
}

SecretVector<char> read_pem(const std::filesystem::path& path, bool secret) {
    const RandomAccessFile file(path.string());
    if (file.size() == 0 || file.size() > kMaxPemBytes)
        throw Error(ErrorKind::kFile, path.string() + " is not a PEM file");
    if (secret && (file.mode() & (S_IRWXG | S_IRWXO)) != 0)
        log_warning("private key {} can be read by other users; run: chmod 600 {}", path.string(), path.string());
    SecretVector<char> content(file.size());
    file.read_at(0, {reinterpret_cast<std::uint8_t*>(content.data()), content.size()});
    return content;
}

std::string certificate_to_pem(X509* cert) {
    const Bio bio{BIO_new(BIO_s_mem())};
    must(bio != nullptr && PEM_write_bio_X509(bio.get(), cert) == 1, "write a certificate");
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

SecretVector<char> key_to_pem(EVP_PKEY* key) {
    const Bio bio{BIO_new(BIO_s_secmem())};
    must(bio != nullptr && PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
         "write a private key");
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    SecretVector<char> pem(static_cast<std::size_t>(size));
    std::copy_n(data, pem.size(), pem.data());
    OPENSSL_cleanse(data, pem.size());
    return pem;
}

}  // namespace

Cert parse_certificate(std::string_view pem) {
    const Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(std::min(pem.size(), kMaxPemBytes)))};
    Cert cert{bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr};
    ERR_clear_error();
    require(cert != nullptr, ErrorKind::kFile, "this is not a PEM certificate");
    return cert;
}

Identity make_self_signed(const std::vector<std::string>& hosts, int days) {
    require(!hosts.empty(), ErrorKind::kInvalidArgument, "a certificate needs at least one host name or IP address");
    require(days > 0 && days <= 3650, ErrorKind::kInvalidArgument, "a certificate is valid for 1 to 3650 days");
    std::string names;
    for (const auto& host : hosts) names += (names.empty() ? "" : ",") + alternative_name(host);

    const Key key{EVP_EC_gen("P-256")};
    const Cert cert{X509_new()};
    must(key != nullptr && cert != nullptr, "make a key");
    must(X509_set_version(cert.get(), X509_VERSION_3) == 1, "make a certificate");
    std::uint64_t serial = 0;
    must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "draw a serial number");
    must(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), (serial >> 1) | 1) == 1, "make a certificate");
    // Valid from a day ago, so that a client whose clock is a little behind accepts it.
    must(X509_gmtime_adj(X509_getm_notBefore(cert.get()), -86'400) != nullptr &&
             X509_time_adj_ex(X509_getm_notAfter(cert.get()), days - 1, 0, nullptr) != nullptr &&
             X509_set_pubkey(cert.get(), key.get()) == 1,
         "make a certificate");
    X509_NAME* name = X509_get_subject_name(cert.get());
    const std::string common =
        hosts.front().substr(0, 64);  // the field's upper bound; the full name is an alternative name
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common.c_str()),
                                    -1, -1, 0) == 1 &&
             X509_set_issuer_name(cert.get(), name) == 1,
         "name a certificate");
    add_extension(cert.get(), NID_subject_alt_name, names);
    add_extension(cert.get(), NID_basic_constraints, "critical,CA:FALSE");
    add_extension(cert.get(), NID_key_usage, "critical,digitalSignature");
    add_extension(cert.get(), NID_ext_key_usage, "serverAuth");
    must(X509_sign(cert.get(), key.get(), EVP_sha256()) > 0, "sign a certificate");
    return {certificate_to_pem(cert.get()), key_to_pem(key.get())};
}

void save_identity(const Identity& identity, const std::filesystem::path& certificate_file,
                   const std::filesystem::path& key_file) {
    write_file(key_file, {identity.key_pem.data(), identity.key_pem.size()}, Access::kOwner);
    write_file(certificate_file, identity.certificate_pem, Access::kEveryone);
}

Identity load_identity(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file) {
    const auto certificate = read_pem(certificate_file, false);
    Identity identity{{certificate.begin(), certificate.end()}, read_pem(key_file, true)};
    Cert cert;
    Key key;
    try {
        cert = parse_certificate(identity.certificate_pem);
    } catch (const Error& error) {
        throw Error(error.kind(), certificate_file.string() + ": " + error.what());
    }
    try {
        key = parse_key(identity.key_pem);
    } catch (const Error& error) {
        throw Error(error.kind(), key_file.string() + ": " + error.what());
    }
    if (X509_check_private_key(cert.get(), key.get()) != 1) {
        ERR_clear_error();
        throw Error(ErrorKind::kFile, key_file.string() + " is not the private key of " + certificate_file.string());
    }
    return identity;
}

void require_certificates(const std::filesystem::path& file) {
    const auto content = read_pem(file, false);
    try {
        parse_certificate({content.data(), content.size()});
    } catch (const Error& error) {
        throw Error(error.kind(), file.string() + ": " + error.what());
    }
}

std::string fingerprint_of_der(std::span<const std::uint8_t> der) { return "sha256:" + to_hex(sha256(der)); }

std::string fingerprint_of_pem(std::string_view certificate_pem) {
    const Cert cert = parse_certificate(certificate_pem);
    unsigned char* der = nullptr;
    const int size = i2d_X509(cert.get(), &der);
    must(size > 0, "encode a certificate");
    const std::unique_ptr<unsigned char, decltype([](unsigned char* p) { OPENSSL_free(p); })> owner(der);
    return fingerprint_of_der({der, static_cast<std::size_t>(size)});
}

std::string fingerprint(const Identity& identity) { return fingerprint_of_pem(identity.certificate_pem); }

std::string normalise_fingerprint(std::string_view text) {
    std::string digits;
    for (const char c : text) digits += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (digits.starts_with("sha256:")) digits.erase(0, 7);
    std::erase(digits, ':');
    const bool hex = std::all_of(digits.begin(), digits.end(),
                                 [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    require(digits.size() == 64 && hex, ErrorKind::kInvalidArgument,
            "a certificate fingerprint is written sha256: and 64 hexadecimal digits, as the server prints it");
    return "sha256:" + digits;
}

bool same_fingerprint(const std::string& a, const std::string& b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace flash::transport
