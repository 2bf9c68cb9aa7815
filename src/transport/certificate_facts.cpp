#include "transport/certificate_facts.h"

#include <arpa/inet.h>
#include <openssl/err.h>

#include <array>
#include <ctime>

#include "base/error.h"
#include "transport/openssl_types.h"

namespace flash::transport {
namespace {

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
    std::tm parts{};
    require(ASN1_TIME_to_tm(time, &parts) == 1, ErrorKind::kFile, "a certificate has a date that is none");
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string address_text(const ASN1_OCTET_STRING* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int size = ASN1_STRING_length(address);
    if (size != 4 && size != 16) return {};
    const bool done = ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text.data(),
                                  static_cast<socklen_t>(text.size())) != nullptr;
    return done ? text.data() : std::string();
}

}  // namespace

CertificateFacts certificate_facts(std::string_view certificate_pem) {
    return certificate_facts(*parse_certificate(certificate_pem));
}

CertificateFacts certificate_facts(const x509_st& certificate) {
    CertificateFacts facts{time_of(X509_get0_notBefore(&certificate)), time_of(X509_get0_notAfter(&certificate)), {}};
    const Names names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        std::string host;
        if (name->type == GEN_DNS)
            host.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
        else if (name->type == GEN_IPADD)
            host = address_text(name->d.iPAddress);
        if (!host.empty()) facts.hosts.push_back(host);
    }
    ERR_clear_error();
    return facts;
}

bool names_host(std::string_view certificate_pem, const std::string& host) {
    const Cert cert = parse_certificate(certificate_pem);
    const IpAddress ip{a2i_IPADDRESS(host.c_str())};
    const bool named = ip ? X509_check_ip_asc(cert.get(), host.c_str(), 0) == 1
                          : X509_check_host(cert.get(), host.c_str(), host.size(), 0, nullptr) == 1;
    ERR_clear_error();
    return named;
}

}  // namespace flash::transport
