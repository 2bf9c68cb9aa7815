// The keys of the linear layers of one inference: one for each depth and ring of the plan (packing::KeyName).
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "packing/plan.h"
#include "scheme/direct.h"

namespace flash::protocol {

/// One object for each key, under its name.
template <class T>
class PerKey {
public:
    template <class... Arguments>
    T& make(const packing::KeyName& name, Arguments&&... arguments) {
        return *(objects_[name] = std::make_unique<T>(std::forward<Arguments>(arguments)...));
    }
    /// Error(kInternal) if none was made.
    T& at(const packing::KeyName& name) const {
        const auto found = objects_.find(name);
        require(found != objects_.end(), ErrorKind::kInternal, "a key is used that was not made");
        return *found->second;
    }

private:
    std::map<packing::KeyName, std::unique_ptr<T>> objects_;
};

/// What the public a_pk of an inference's keys are expanded from, where keys have levels. Both parties contribute to
/// it, so that neither can prepare for one that it knows before: nonce is the client's, of this inference, session the
/// server's, of this session; number counts the inferences of the session.
PublicSeed key_seed(const Sha256& fingerprint, const PublicSeed& nonce, const PublicSeed& session,
                    std::uint32_t number);

/// A client's key and the errors of its uploads: stream (stream, polynomial). Each key has its own errors, so that a
/// value that is uploaded under two keys never carries the same one twice.
struct ClientKey {
    /// Where keys have levels: under an a_pk of this inference's.
    ClientKey(const scheme::PublicPolynomials& publics, scheme::PublicTransforms& transforms,
              const packing::KeyName& name, const SecretSeed& seed, const PublicSeed& public_seed);
    /// Otherwise: under the model's.
    ClientKey(const scheme::PublicPolynomials& publics, scheme::PublicTransforms& transforms,
              const packing::KeyName& name, const SecretSeed& seed);

    scheme::PreparedUpload prepare(scheme::UploadId id);

    scheme::DirectSecretKey secret;
    StreamKey errors;
};

using ClientKeys = PerKey<ClientKey>;
using ServerKeys = PerKey<scheme::DirectPublicKey>;

}  // namespace flash::protocol
