// What a server says of itself over HTTP: the questions of the Open Inference Protocol that need no inference, and
// metrics. Inference itself is not among them: it would not be private.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "service/access_control.h"
#include "service/http_session.h"

namespace flash::service {

class ModelStore;
class WebFiles;

struct SiteSources {
    const ModelStore& models;
    std::function<bool()> ready;
    std::function<std::string()> metrics;  ///< empty: there is no /metrics here
    /// Who asks, by the token of the request; Denied if that is nobody. Empty: everybody may know everything.
    std::function<Caller(std::span<const char> token)> admit;
    const WebFiles* web = nullptr;  ///< null: there is no web page here
};

/// /v2, /v2/health/live, /v2/health/ready, /v2/models, /v2/models/NAME, /v2/models/NAME/ready (both also with
/// /versions/V), /metrics; everything else is the web page's.
/// Health is answered to everybody; models only to those who may use them.
HttpAnswer answer_site(const SiteSources& sources, const HttpRequest& request);

}  // namespace flash::service
