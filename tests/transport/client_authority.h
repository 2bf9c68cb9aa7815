// Issues client certificates, as an operator's authority does, for tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>
#include <vector>

#include "transport/certificate.h"
#include "transport/openssl_types.h"

namespace flash::transport::testing {

class ClientAuthority {
public:
    ClientAuthority() : key_(EVP_EC_gen("P-256")), certificate_(make({"an authority"}, key_.get(), true)) {}

    /// To be trusted by a server.
    std::string pem() const { return text(certificate_.get()); }
    /// A certificate with these common names, one after the other.
    Identity issue(const std::vector<std::string>& names) const {
        const Key key{EVP_EC_gen("P-256")};
        const Cert certificate = make(names, key.get(), false);
        const Bio bio{BIO_new(BIO_s_mem())};
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        char* data = nullptr;
        const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio.get(), &data));
        SecretVector<char> pem(size);
        std::copy_n(data, size, pem.data());
        return {text(certificate.get()), std::move(pem)};
    }

private:
    Cert make(const std::vector<std::string>& names, EVP_PKEY* key, bool authority) const {
        Cert made{X509_new()};
        X509_set_version(made.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(made.get()), authority ? 1 : 2);
        X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
        X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
        X509_set_pubkey(made.get(), key);
        X509_NAME* subject = X509_get_subject_name(made.get());
        for (const std::string& name : names)
            X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(name.data()),
                                       static_cast<int>(name.size()), -1, 0);
        X509_set_issuer_name(made.get(), authority ? subject : X509_get_subject_name(certificate_.get()));
        const Extension constraints{X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints,
                                                        authority ? "critical,CA:TRUE" : "critical,CA:FALSE")};
        X509_add_ext(made.get(), constraints.get(), -1);
        X509_sign(made.get(), key_.get(), EVP_sha256());
        return made;
    }
    static std::string text(X509* certificate) {
        const Bio bio{BIO_new(BIO_s_mem())};
        PEM_write_bio_X509(bio.get(), certificate);
        char* data = nullptr;
        const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio.get(), &data));
        return {data, size};
    }

    Key key_;
    Cert certificate_;
};

}  // namespace flash::transport::testing
