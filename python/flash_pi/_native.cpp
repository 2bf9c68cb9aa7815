// The extension module behind flash_pi: the public headers of include/flash for Python. Arrays come in without a copy
// where they are float32 and contiguous, and go out without one; the interpreter is free while Flash computes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <utility>

#include "flash/client.h"
#include "flash/compiler.h"
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

/// Calls Python with fractions, and lets Ctrl-C and errors in it end what runs: `interrupted` keeps them meanwhile.
class Watcher {
public:
    explicit Watcher(py::object callback) : callback_(std::move(callback)) {}

    void operator()(double fraction) {
        const py::gil_scoped_acquire python;
        if (interrupted_) return;
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!callback_.is_none()) callback_(fraction);
        } catch (py::error_already_set& error) {
            interrupted_ = std::make_unique<py::error_already_set>(std::move(error));
            stop_.request_stop();
        }
    }
    std::stop_token token() const { return stop_.get_token(); }
    void stop() { stop_.request_stop(); }
    void rethrow() {
        if (interrupted_) throw py::error_already_set(*interrupted_);
    }

private:
    py::object callback_;
    std::stop_source stop_;
    std::unique_ptr<py::error_already_set> interrupted_;
};

py::tuple infer(flash::Client& client, const FloatArray& input, Watcher& watcher) {
    flash::Answer answer;
    try {
        const py::gil_scoped_release free;
        answer = client.infer(
            view(input), [&](double fraction) { watcher(fraction); }, watcher.token());
    } catch (const flash::Error&) {
        watcher.rethrow();
        throw;
    }
    return py::make_tuple(array_of(std::move(answer.logits), client.model().output), answer.seconds, answer.round_trips,
                          answer.bytes_sent, answer.bytes_received, answer.clamped, answer.unreliable);
}

flash::Compiled compile(const flash::Network& network, const std::vector<FloatArray>& calibration, std::string name,
                        bool trust_server, double least_agreement, const py::object& progress) {
    std::vector<std::vector<float>> inputs;
    inputs.reserve(calibration.size());
    for (const FloatArray& array : calibration) inputs.emplace_back(array.data(), array.data() + array.size());
    flash::CompileOptions options;
    options.name = std::move(name);
    options.trust_server = trust_server;
    options.least_agreement = least_agreement;
    if (!progress.is_none())
        options.progress = [&](double fraction, const std::string& phase) {
            const py::gil_scoped_acquire python;
            progress(fraction, phase);
        };
    const py::gil_scoped_release free;
    return network.compile(inputs, options);
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
    py::class_<flash::Shape3>(module, "Shape")
        .def_readonly("channels", &flash::Shape3::channels)
        .def_readonly("height", &flash::Shape3::height)
        .def_readonly("width", &flash::Shape3::width);
    py::class_<flash::PictureRule>(module, "PictureRule")
        .def(py::init<>())
        .def_readwrite("resize", &flash::PictureRule::resize)
        .def_readwrite("crop_height", &flash::PictureRule::crop_height)
        .def_readwrite("crop_width", &flash::PictureRule::crop_width)
        .def_readwrite("mean", &flash::PictureRule::mean)
        .def_readwrite("std", &flash::PictureRule::std);
    py::class_<flash::ModelInfo>(module, "ModelInfo")
        .def_readonly("name", &flash::ModelInfo::name)
        .def_readonly("fingerprint", &flash::ModelInfo::fingerprint)
        .def_property_readonly("input_shape",
                               [](const flash::ModelInfo& info) {
                                   return std::tuple(info.input.channels, info.input.height, info.input.width);
                               })
        .def_property_readonly("output_shape",
                               [](const flash::ModelInfo& info) {
                                   return std::tuple(info.output.channels, info.output.height, info.output.width);
                               })
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
    py::class_<flash::Model>(module, "Model")
        .def_static("load", &flash::Model::load, py::call_guard<py::gil_scoped_release>())
        .def("save", &flash::Model::save, py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("info", &flash::Model::info, py::return_value_policy::reference_internal)
        .def("evaluate", [](const flash::Model& model, const FloatArray& input) {
            flash::TwinAnswer answer;
            {
                const py::gil_scoped_release free;
                answer = model.evaluate(view(input));
            }
            return py::make_tuple(array_of(std::move(answer.logits), model.info().output), answer.out_of_range);
        });
}

void bind_parties(py::module_& module) {
    py::class_<Watcher>(module, "Watcher").def(py::init<py::object>()).def("stop", &Watcher::stop);
    py::class_<flash::Client>(module, "Client")
        .def(py::init([](std::string address, std::optional<std::string> pin,
                         std::optional<std::filesystem::path> ca_file, std::optional<std::string> fingerprint,
                         bool trust_server, bool large_ring_only, double timeout) {
            flash::ClientOptions options{.address = std::move(address),
                                         .pin = std::move(pin),
                                         .ca_file = std::move(ca_file),
                                         .fingerprint = std::move(fingerprint)};
            options.trust_server = trust_server;
            options.large_ring_only = large_ring_only;
            options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * timeout));
            const py::gil_scoped_release free;
            return std::make_unique<flash::Client>(std::move(options));
        }))
        .def_property_readonly("model", &flash::Client::model, py::return_value_policy::reference_internal)
        .def("infer", &infer);
    py::class_<flash::Server>(module, "Server")
        .def(
            py::init([](const flash::Model& model, std::string listen, std::optional<std::filesystem::path> certificate,
                        std::optional<std::filesystem::path> key, std::size_t max_sessions) {
                flash::ServerOptions options;
                options.listen = std::move(listen);
                options.certificate = std::move(certificate);
                options.key = std::move(key);
                options.max_sessions = max_sessions;
                const py::gil_scoped_release free;
                return std::make_unique<flash::Server>(model, std::move(options));
            }))
        .def_property_readonly("address", &flash::Server::address)
        .def_property_readonly("pin", &flash::Server::pin)
        .def_property_readonly("sessions", &flash::Server::sessions)
        .def_property_readonly("inferences", &flash::Server::inferences)
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
                 return array_of(network.evaluate(view(input)), network.info().output);
             })
        .def("compile", [](const flash::Network& network, const std::vector<FloatArray>& calibration, std::string name,
                           bool trust_server, double least_agreement, const py::object& progress) {
            flash::Compiled made =
                compile(network, calibration, std::move(name), trust_server, least_agreement, progress);
            py::list layers;
            for (const flash::LayerFigures& layer : made.report.layers) {
                py::dict row;
                row["name"] = layer.name;
                row["channels"] = layer.output.channels;
                row["height"] = layer.output.height;
                row["width"] = layer.output.width;
                row["share_bits"] = layer.share_bits;
                row["range"] = layer.range;
                row["margin"] = layer.margin;
                row["snr_db"] = layer.snr_db;
                layers.append(row);
            }
            return py::make_tuple(std::move(made.model), made.report.snr_db, made.report.agreement,
                                  made.report.calibration_inputs, made.report.check_inputs, layers, made.report.notes);
        });
}

}  // namespace

PYBIND11_MODULE(_native, module) {
    translate_errors();
    bind_model(module);
    bind_parties(module);
    bind_compiler(module);
}
