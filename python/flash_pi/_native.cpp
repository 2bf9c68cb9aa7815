// The extension module behind flash_pi: the public headers of include/flash for Python. Arrays come in without a copy
// where they are float32 and contiguous, and go out without one; the interpreter is free while Flash computes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <chrono>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include "flash/client.h"
#include "flash/compiler.h"
#include "flash/data.h"
#include "flash/log.h"
#include "flash/plan.h"
#include "flash/server.h"

namespace py = pybind11;

namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using ByteArray = py::array_t<std::uint8_t, py::array::c_style>;

std::span<const float> view(const FloatArray& array) { return {array.data(), static_cast<std::size_t>(array.size())}; }

/// Hands the values over to Python, which frees them.
py::array_t<float> array_of(std::vector<float> values, const flash::Shape3& shape) {
    auto owner = std::make_unique<std::vector<float>>(std::move(values));
    float* data = owner->data();
    const py::capsule free(owner.release(), [](void* memory) { delete static_cast<std::vector<float>*>(memory); });
    return py::array_t<float>({shape.channels, shape.height, shape.width}, data, free);
}

std::tuple<int, int, int> tuple_of(const flash::Shape3& shape) { return {shape.channels, shape.height, shape.width}; }

/// Holds an object of the library for Python. Its end may wait for threads that want the interpreter, for the log.
struct FreeInterpreter {
    template <class Object>
    void operator()(Object* object) const {
        const py::gil_scoped_release free;
        delete object;
    }
};
template <class Object>
using Holder = std::unique_ptr<Object, FreeInterpreter>;

/// Calls Python with fractions (and what is being done), and lets Ctrl-C and errors in it end what runs: `interrupted_`
/// keeps them meanwhile, guarded by the interpreter's lock.
class Watcher {
public:
    explicit Watcher(py::object callback) : callback_(std::move(callback)) {}

    template <class... Phase>
    void operator()(double fraction, const Phase&... phase) {
        ask([&] {
            if (!callback_.is_none()) callback_(fraction, phase...);
        });
    }
    std::stop_token token() const { return stop_.get_token(); }
    void stop() { stop_.request_stop(); }

    /// What `work` returns or throws, or else what interrupted it; it has to heed token(). It has a thread of its own:
    /// this one, with the interpreter free, looks for Ctrl-C, of which Python tells its main thread alone, and which
    /// would not be heard in a wait for a server that is silent.
    template <class Work>
    std::invoke_result_t<Work> run(Work work) {
        constexpr std::chrono::milliseconds kPoll{50};
        std::future<std::invoke_result_t<Work>> running;
        {
            const py::gil_scoped_release free;
            running = std::async(std::launch::async, std::move(work));
            while (running.wait_for(kPoll) != std::future_status::ready) ask([] {});
        }
        if (interrupted_) throw py::error_already_set(*interrupted_);
        return running.get();
    }

private:
    template <class Question>
    void ask(const Question& question) {
        const py::gil_scoped_acquire python;
        if (interrupted_) return;
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            question();
        } catch (py::error_already_set& error) {
            interrupted_ = std::make_unique<py::error_already_set>(std::move(error));
            stop_.request_stop();
        }
    }

    py::object callback_;
    std::stop_source stop_;
    std::unique_ptr<py::error_already_set> interrupted_;
};

py::tuple infer(flash::Client& client, const FloatArray& input, Watcher& watcher) {
    flash::Answer answer = watcher.run([&, pixels = view(input)] {
        return client.infer(
            pixels, [&](double fraction) { watcher(fraction); }, watcher.token());
    });
    return py::make_tuple(array_of(std::move(answer.logits), client.model().output), answer.seconds, answer.round_trips,
                          answer.bytes_sent, answer.bytes_received, answer.clamped, answer.unreliable);
}

flash::Compiled compile(const flash::Network& network, const std::vector<FloatArray>& calibration, std::string name,
                        bool trust_server, double least_agreement, Watcher& watcher) {
    std::vector<std::vector<float>> inputs;
    inputs.reserve(calibration.size());
    for (const FloatArray& array : calibration) inputs.emplace_back(array.data(), array.data() + array.size());
    flash::CompileOptions options;
    options.name = std::move(name);
    options.trust_server = trust_server;
    options.least_agreement = least_agreement;
    options.progress = [&](double fraction, const std::string& phase) { watcher(fraction, phase); };
    options.stop = watcher.token();
    return watcher.run([&] { return network.compile(inputs, options); });
}

/// Lines of the library's log to a Python function of a level as in the module logging, and a text. None: silent.
void set_log(const py::object& function) {
    flash::LogSink sink;
    if (!function.is_none()) {
        // The last copy goes with the sink, in any thread.
        const std::shared_ptr<py::object> kept(new py::object(function), [](py::object* object) {
            const py::gil_scoped_acquire python;
            delete object;
        });
        sink = [kept](flash::LogLevel level, std::string_view line) {
            const py::gil_scoped_acquire python;
            try {
                (*kept)(10 * (static_cast<int>(level) + 1), line);
            } catch (py::error_already_set& error) {
                error.discard_as_unraisable("the log of flash_pi");
            }
        };
    }
    const py::gil_scoped_release free;
    flash::set_log(std::move(sink));
}

void translate_errors() {
    py::register_exception_translator(
        [](std::exception_ptr raised) {  // NOLINT(performance-unnecessary-value-param): pybind11's type
            try {
                if (raised) std::rethrow_exception(raised);
            } catch (const flash::Error& error) {
                const py::object type = py::module_::import("flash_pi.errors").attr("Error");
                const py::object value = type(error.what(), flash::to_string(error.kind()));
                PyErr_SetObject(type.ptr(), value.ptr());
            }
        });
}

void bind_model(py::module_& module) {
    py::class_<flash::PictureRule>(module, "PictureRule",
                                   "From pixels to the input: short side resized (0: not), centre cropped (0: not), "
                                   "divided by 255, then (x - mean) / std per channel.")
        .def(py::init<>())
        .def_readwrite("resize", &flash::PictureRule::resize)
        .def_readwrite("crop_height", &flash::PictureRule::crop_height)
        .def_readwrite("crop_width", &flash::PictureRule::crop_width)
        .def_readwrite("mean", &flash::PictureRule::mean)
        .def_readwrite("std", &flash::PictureRule::std);
    py::class_<flash::ModelInfo>(
        module, "ModelInfo",
        "The public half of a model, which a client learns in the handshake: name, fingerprint (it commits to the "
        "weights and tells nothing of them), input_shape and output_shape [C, H, W], classes, takes_pictures, pictures "
        "(PictureRule), layers, activation_values, and the exact upload_bytes and download_bytes of an inference.")
        .def_readonly("name", &flash::ModelInfo::name)
        .def_readonly("fingerprint", &flash::ModelInfo::fingerprint)
        .def_property_readonly("input_shape", [](const flash::ModelInfo& info) { return tuple_of(info.input); })
        .def_property_readonly("output_shape", [](const flash::ModelInfo& info) { return tuple_of(info.output); })
        .def_readonly("classes", &flash::ModelInfo::classes)
        .def_readonly("takes_pictures", &flash::ModelInfo::takes_pictures)
        .def_readonly("pictures", &flash::ModelInfo::pictures)
        .def_readonly("layers", &flash::ModelInfo::layers)
        .def_readonly("activation_values", &flash::ModelInfo::activation_values)
        .def_readonly("upload_bytes", &flash::ModelInfo::upload_bytes)
        .def_readonly("download_bytes", &flash::ModelInfo::download_bytes)
        .def("__repr__", [](const flash::ModelInfo& info) { return "<ModelInfo " + info.name + ">"; });
    module.def("prepare_file", [](const flash::ModelInfo& info, const std::filesystem::path& path) {
        return array_of(flash::prepare(info, path), info.input);
    });
    module.def("prepare_pixels", [](const flash::ModelInfo& info, const ByteArray& pixels) {
        if (pixels.ndim() != 2 && pixels.ndim() != 3)
            throw flash::Error(flash::ErrorKind::kInvalidArgument, "pixels are an array [height, width, 1 or 3]");
        const int channels = pixels.ndim() == 3 ? static_cast<int>(pixels.shape(2)) : 1;
        return array_of(flash::prepare(info, {{pixels.data(), static_cast<std::size_t>(pixels.size())},
                                              static_cast<int>(pixels.shape(0)),
                                              static_cast<int>(pixels.shape(1)),
                                              channels}),
                        info.input);
    });
    module.def("best_classes", [](const flash::ModelInfo& info, const FloatArray& logits, std::size_t count) {
        std::vector<std::tuple<int, std::string, double, double>> best;
        for (const flash::ClassScore& score : flash::best_classes(info, view(logits), count))
            best.emplace_back(score.index, score.name, score.logit, score.probability);
        return best;
    });
    py::class_<flash::Model>(module, "Model", "A compiled model, public and secret half; nothing changes it.")
        .def_static("load", &flash::Model::load, py::call_guard<py::gil_scoped_release>(), py::arg("path"),
                    "Reads the file of a compiled model.")
        .def("save", &flash::Model::save, py::call_guard<py::gil_scoped_release>(), py::arg("path"),
             "Writes the file; one that is there is replaced by a whole one or stays as it was.")
        .def_property_readonly("info", &flash::Model::info, py::return_value_policy::reference_internal,
                               "Its public half.")
        .def(
            "evaluate",
            [](const flash::Model& model, const FloatArray& input) {
                flash::TwinAnswer answer;
                {
                    const py::gil_scoped_release free;
                    answer = model.evaluate(view(input));
                }
                return py::make_tuple(array_of(std::move(answer.logits), model.info().output), answer.out_of_range);
            },
            py::arg("input"),
            "The clear-text twin on one prepared input: logits [C, H, W], and how many values left their ranges.")
        .def("__repr__", [](const flash::Model& model) { return "<Model " + model.info().name + ">"; });
    py::class_<flash::DataSet>(module, "DataSet")
        .def(py::init(&flash::DataSet::open), py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("description", &flash::DataSet::description)
        .def_property_readonly("size", &flash::DataSet::size)
        .def_property_readonly("classes", &flash::DataSet::classes)
        .def("label", &flash::DataSet::label)
        .def("name", &flash::DataSet::name)
        .def("input", [](const flash::DataSet& set, std::size_t index, const flash::ModelInfo& model) {
            std::vector<float> input;
            {
                const py::gil_scoped_release free;
                input = set.input(index, model);
            }
            return array_of(std::move(input), model.input);
        });
}

void bind_parties(py::module_& module) {
    py::class_<Watcher>(module, "Watcher").def(py::init<py::object>()).def("stop", &Watcher::stop);
    py::class_<flash::Client, Holder<flash::Client>>(module, "Client")
        .def(py::init([](std::string address, std::optional<std::string> pin,
                         std::optional<std::filesystem::path> ca_file, std::optional<std::string> fingerprint,
                         bool trust_server, bool large_ring_only, double timeout, std::string model, std::string token,
                         int in_flight, Watcher& watcher) {
            flash::ClientOptions options{.address = std::move(address),
                                         .pin = std::move(pin),
                                         .ca_file = std::move(ca_file),
                                         .fingerprint = std::move(fingerprint),
                                         .model = std::move(model),
                                         .token = std::move(token)};
            options.trust_server = trust_server;
            options.large_ring_only = large_ring_only;
            options.in_flight = in_flight;
            options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * timeout));
            return watcher.run(
                [&] { return Holder<flash::Client>(new flash::Client(std::move(options), watcher.token())); });
        }))
        .def_property_readonly("model", &flash::Client::model, py::return_value_policy::copy)
        .def_property_readonly("in_flight", &flash::Client::in_flight)
        .def("infer", &infer);
    py::class_<flash::Server, Holder<flash::Server>>(module, "Server")
        .def(
            py::init([](const flash::Model& model, std::string listen, std::optional<std::filesystem::path> certificate,
                        std::optional<std::filesystem::path> key, std::size_t max_sessions) {
                flash::ServerOptions options;
                options.listen = std::move(listen);
                options.certificate = std::move(certificate);
                options.key = std::move(key);
                options.max_sessions = max_sessions;
                const py::gil_scoped_release free;
                return Holder<flash::Server>(new flash::Server(model, std::move(options)));
            }))
        .def("address", &flash::Server::address, py::call_guard<py::gil_scoped_release>())
        .def("pin", &flash::Server::pin, py::call_guard<py::gil_scoped_release>())
        .def("sessions", &flash::Server::sessions, py::call_guard<py::gil_scoped_release>())
        .def("inferences", &flash::Server::inferences, py::call_guard<py::gil_scoped_release>())
        .def("stop", &flash::Server::stop, py::call_guard<py::gil_scoped_release>());
}

void bind_compiler(py::module_& module) {
    py::class_<flash::Network>(module, "Network")
        .def_static("read", &flash::Network::read, py::call_guard<py::gil_scoped_release>())
        .def_static(
            "parse",
            [](const std::string& bytes, const std::string& name) {
                return flash::Network::parse({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, name);
            })
        .def_property_readonly("info", &flash::Network::info, py::return_value_policy::reference_internal)
        .def("set_pictures", &flash::Network::set_pictures)
        .def("set_classes", &flash::Network::set_classes)
        .def("evaluate",
             [](const flash::Network& network, const FloatArray& input) {
                 std::vector<float> logits;
                 {
                     const py::gil_scoped_release free;
                     logits = network.evaluate(view(input));
                 }
                 return array_of(std::move(logits), network.info().output);
             })
        .def("compile", [](const flash::Network& network, const std::vector<FloatArray>& calibration, std::string name,
                           bool trust_server, double least_agreement, Watcher& watcher) {
            flash::Compiled made =
                compile(network, calibration, std::move(name), trust_server, least_agreement, watcher);
            py::list layers;
            for (const flash::LayerFigures& layer : made.report.layers)
                layers.append(py::make_tuple(layer.name, layer.output.channels, layer.output.height, layer.output.width,
                                             layer.share_bits, layer.range, layer.margin, layer.snr_db));
            return py::make_tuple(std::move(made.model), made.report.snr_db, made.report.agreement,
                                  made.report.calibration_inputs, made.report.check_inputs, layers, made.report.notes);
        });
    module.def("plan", [](const flash::Model& model, std::string link, int cores, bool shared_cores) {
        flash::Plan plan;
        {
            const py::gil_scoped_release free;
            plan = flash::plan(model, {.link = std::move(link), .cores = cores, .shared_cores = shared_cores});
        }
        py::list layers;
        for (const flash::LayerPlan& layer : plan.layers)
            layers.append(py::make_tuple(layer.name, layer.output.channels, layer.output.height, layer.output.width,
                                         layer.share_bits, layer.ring_degree, layer.upload_ciphertexts,
                                         layer.response_ciphertexts, layer.activation_values, layer.upload_bytes,
                                         layer.download_bytes, layer.seconds, layer.waits_for, layer.client_seconds,
                                         layer.server_seconds, layer.server_memory));
        return py::make_tuple(layers, plan.seconds, plan.start_seconds, plan.upload_bytes, plan.download_bytes,
                              plan.round_trips, plan.client_memory, plan.server_memory, plan.log2_wrong);
    });
}

}  // namespace

PYBIND11_MODULE(_native, module) {
    translate_errors();
    module.def("set_log", &set_log);
    bind_model(module);
    bind_parties(module);
    bind_compiler(module);
}
