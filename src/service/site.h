// What a server says of itself over HTTP: the questions of the Open Inference Protocol that need no inference, and
// metrics. Inference itself is not among them: it would not be private.
#pragma once

#include <string>

#include "service/http_session.h"

namespace flash::service {

class ModelStore;

struct SiteSources {
    const ModelStore& models;
    std::function<bool()> ready;
    std::function<std::string()> metrics;  ///< empty: there is no /metrics here
};

/// /v2, /v2/health/live, /v2/health/ready, /v2/models, /v2/models/NAME, /v2/models/NAME/ready (both also with
/// /versions/V), /metrics.
HttpAnswer answer_site(const SiteSources& sources, const std::string& path);

}  // namespace flash::service
