// Our convolutions beside oneDNN's primitives, which get their favourite layouts and reorders at
// the edges, one sample at a time from planes to planes on one thread; one JSON object a shape:
// microseconds a sample and, of ours, GFLOP/s. By the CPU clock, the least of rounds in turns.
//   convolution_bench
#include <gradatim/core/convolution.hpp>
#include <gradatim/core/random.hpp>
#include <gradatim/core/tensor.hpp>

#include <omp.h>
#include <algorithm>
#include <ctime>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

namespace gd = gradatim;

namespace {

using Layout = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using gd::kernels::ImageShape;
using gd::kernels::Window;

struct Case {
  ImageShape image;
  Window window;
  std::size_t filters;
  std::size_t groups = 1;
};

const Case kCases[] = {
    {{1, 28, 28}, {5, 1, 0}, 30},      {{1, 28, 28}, {5, 1, 0}, 16},
    {{16, 12, 12}, {5, 1, 0}, 32},     {{16, 28, 28}, {3, 1, 1}, 16},
    {{32, 14, 14}, {3, 1, 1}, 32},     {{32, 28, 28}, {3, 1, 1}, 32},
    {{64, 14, 14}, {3, 1, 1}, 64},     {{64, 8, 8}, {3, 1, 1}, 64},
    {{64, 14, 14}, {3, 2, 1}, 64},     {{32, 28, 28}, {3, 1, 1}, 32, 32},
    {{64, 14, 14}, {3, 1, 1}, 64, 64}, {{64, 28, 28}, {3, 2, 1}, 64, 64},
    {{96, 14, 14}, {5, 1, 2}, 96, 96},
};

constexpr std::size_t kRows = 25;

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

template <class F>
double microseconds_a_sample(F call) {
  const double start = cpu_seconds();
  std::size_t calls = 0;
  for (; cpu_seconds() - start < 0.02; ++calls) call();
  return (cpu_seconds() - start) / static_cast<double>(calls * kRows) * 1e6;
}

struct Tensors {
  gd::Tensor x, w, b, y;

  Tensors(const Case& of, const gd::kernels::Convolution& convolution)
      : x({kRows, of.image.size()}),
        w({convolution.weights()}),
        b({of.filters}),
        y({kRows, convolution.output().size()}) {
    std::uint64_t seed = 0;
    for (gd::Tensor* tensor : {&x, &w, &b, &y}) gd::fill_normal(tensor->values(), {.seed = ++seed});
  }
};

// A tensor in the layout that a primitive likes, in memory of its own, and the reorders between
// that and planes; neither where the two agree.
class Edge {
 public:
  Edge(const Layout& planes, const Layout& liked, const dnnl::engine& engine)
      : same_(planes == liked), outer_(planes, engine, nullptr), inner_(liked, engine) {
    if (same_) return;
    in_ = dnnl::reorder(outer_, inner_);
    out_ = dnnl::reorder(inner_, outer_);
  }

  const dnnl::memory& at(std::span<float> values) {
    outer_.set_data_handle(values.data());
    return same_ ? outer_ : inner_;
  }
  const dnnl::memory& read(std::span<float> values, dnnl::stream& stream) {
    const dnnl::memory& result = at(values);
    if (!same_) in_.execute(stream, outer_, inner_);
    return result;
  }
  void write(dnnl::stream& stream) {
    if (!same_) out_.execute(stream, inner_, outer_);
  }

 private:
  bool same_;
  dnnl::memory outer_, inner_;
  dnnl::reorder in_, out_;
};

// oneDNN's three primitives for one sample.
class OneDnn {
 public:
  OneDnn(const Case& of, Tensors& tensors) : tensors_(tensors) {
    const auto n = [](std::size_t size) { return static_cast<dnnl::memory::dim>(size); };
    const dnnl::memory::dims x{1, n(of.image.channels), n(of.image.height), n(of.image.width)};
    dnnl::memory::dims w{n(of.filters), n(of.image.channels / of.groups), n(of.window.size),
                         n(of.window.size)};
    if (of.groups > 1) w = {n(of.groups), n(of.filters / of.groups), w[1], w[2], w[3]};
    const dnnl::memory::dims b{n(of.filters)};
    const dnnl::memory::dims y{1, n(of.filters),
                               n(gd::kernels::windows_along(of.image.height, of.window)),
                               n(gd::kernels::windows_along(of.image.width, of.window))};
    const dnnl::memory::dims stride{n(of.window.stride), n(of.window.stride)};
    const dnnl::memory::dims before{n(of.window.padding), n(of.window.padding)};
    const auto behind = [&](std::size_t axis) {
      return (y[axis] - 1) * stride[0] + n(of.window.size) - x[axis] - before[0];
    };
    const dnnl::memory::dims after{behind(2), behind(3)};
    const auto layout = [](const dnnl::memory::dims& dims, Tag tag) {
      return Layout(dims, dnnl::memory::data_type::f32, tag);
    };
    const Layout any_x = layout(x, Tag::any);
    const Layout any_w = layout(w, Tag::any);
    const Layout any_y = layout(y, Tag::any);
    const Layout bias = layout(b, Tag::x);
    const auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc f(
        {dnnl::prop_kind::forward_training, direct, any_x, any_w, bias, any_y, stride, before,
         after},
        engine_);
    const dnnl::convolution_backward_data::primitive_desc d(
        {direct, any_x, any_w, any_y, stride, before, after}, engine_, f);
    const dnnl::convolution_backward_weights::primitive_desc g(
        {direct, any_x, any_w, bias, any_y, stride, before, after}, engine_, f);
    const auto pass = [&](const dnnl::primitive& primitive, const Layout& px, const Layout& pw,
                          const Layout& py) {
      return std::make_unique<Pass>(
          Pass{primitive,
               {layout(x, Tag::nchw), px, engine_},
               {layout(w, of.groups > 1 ? Tag::goihw : Tag::oihw), pw, engine_},
               {layout(y, Tag::nchw), py, engine_}});
    };
    forward_ = pass(dnnl::convolution_forward(f), f.src_desc(), f.weights_desc(), f.dst_desc());
    data_ = pass(dnnl::convolution_backward_data(d), d.diff_src_desc(), d.weights_desc(),
                 d.diff_dst_desc());
    gradient_ = pass(dnnl::convolution_backward_weights(g), g.src_desc(), g.diff_weights_desc(),
                     g.diff_dst_desc());
    bias_ = dnnl::memory(bias, engine_, tensors.b.values().data());
  }

  void forward() {
    const dnnl::memory& w = forward_->w.read(tensors_.w.values(), stream_);
    for (std::size_t i = 0; i < kRows; ++i) {
      const dnnl::memory& x = forward_->x.read(tensors_.x.view().row(i), stream_);
      const dnnl::memory& y = forward_->y.at(tensors_.y.view().row(i));
      forward_->primitive.execute(
          stream_,
          {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, bias_}, {DNNL_ARG_DST, y}});
      forward_->y.write(stream_);
    }
  }
  void backward() {
    const dnnl::memory& w = data_->w.read(tensors_.w.values(), stream_);
    for (std::size_t i = 0; i < kRows; ++i) {
      const dnnl::memory& dy = data_->y.read(tensors_.y.view().row(i), stream_);
      const dnnl::memory& dx = data_->x.at(tensors_.x.view().row(i));
      data_->primitive.execute(
          stream_, {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, dx}});
      data_->x.write(stream_);
    }
  }
  // Of the last sample alone: the sum over samples would only add to its time.
  void gradient() {
    const dnnl::memory& dw = gradient_->w.at(tensors_.w.values());
    for (std::size_t i = 0; i < kRows; ++i) {
      const dnnl::memory& x = gradient_->x.read(tensors_.x.view().row(i), stream_);
      const dnnl::memory& dy = gradient_->y.read(tensors_.y.view().row(i), stream_);
      gradient_->primitive.execute(stream_, {{DNNL_ARG_SRC, x},
                                             {DNNL_ARG_DIFF_DST, dy},
                                             {DNNL_ARG_DIFF_WEIGHTS, dw},
                                             {DNNL_ARG_DIFF_BIAS, bias_}});
    }
    gradient_->w.write(stream_);
  }

 private:
  struct Pass {
    dnnl::primitive primitive;
    Edge x, w, y;
  };

  Tensors& tensors_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::memory bias_;
  std::unique_ptr<Pass> forward_, data_, gradient_;
};

nlohmann::json measure(const Case& of) {
  const gd::kernels::Convolution convolution(of.image, of.window, of.filters, of.groups);
  Tensors ours(of, convolution);
  Tensors theirs(of, convolution);
  gd::Tensor dw(ours.w.shape());
  gd::Tensor db(ours.b.shape());
  OneDnn onednn(of, theirs);
  std::vector<double> best(6, 1e9);
  for (int round = 0; round < 9; ++round) {
    const double rates[] = {
        microseconds_a_sample(
            [&] { convolution.forward(ours.w.values(), ours.b.values(), ours.x, ours.y); }),
        microseconds_a_sample([&] { convolution.backward(ours.w.values(), ours.y, ours.x); }),
        microseconds_a_sample(
            [&] { convolution.add_gradient(ours.x, ours.y, dw.values(), db.values()); }),
        microseconds_a_sample([&] { onednn.forward(); }),
        microseconds_a_sample([&] { onednn.backward(); }),
        microseconds_a_sample([&] { onednn.gradient(); })};
    for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::min(best[i], rates[i]);
    for (gd::Tensor* tensor : {&ours.x, &ours.y, &theirs.x, &theirs.y})  // what passes wrote
      gd::fill_normal(tensor->values(), {.seed = 9});
  }
  const double flop = 2.0 * static_cast<double>(convolution.output().size() * of.image.channels /
                                                of.groups * of.window.size * of.window.size);
  const auto pass = [&](std::size_t i) {
    return nlohmann::json{
        {"ours", best[i]}, {"onednn", best[i + 3]}, {"ours_gflops", flop / best[i] / 1e3}};
  };
  return {{"channels", of.image.channels},
          {"filters", of.filters},
          {"groups", of.groups},
          {"extent", of.image.height},
          {"size", of.window.size},
          {"stride", of.window.stride},
          {"forward", pass(0)},
          {"backward", pass(1)},
          {"gradient", pass(2)}};
}

}  // namespace

int main() {
  omp_set_num_threads(1);  // oneDNN would start a team, whose waiting the CPU clock counts
  try {
    for (const Case& of : kCases) std::cout << measure(of).dump() << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "convolution_bench: " << error.what() << "\n";
    return 2;
  }
}
