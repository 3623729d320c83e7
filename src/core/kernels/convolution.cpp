#include "gradatim/core/convolution.hpp"

#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <mutex>
#include <optional>

#include "core/kernels/channel_blocks.hpp"
#include "core/kernels/checks.hpp"
#include "core/kernels/one_openmp_thread.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim::kernels {
namespace {

using Dims = dnnl::memory::dims;
using Layout = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

dnnl::memory::dim dimension(std::size_t n) { return static_cast<dnnl::memory::dim>(n); }

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& stream() {
  thread_local dnnl::stream stream(cpu());
  return stream;
}

Layout layout(const Dims& dims, Tag tag) { return {dims, dnnl::memory::data_type::f32, tag}; }

// The scratchpad is ours: oneDNN's own belongs to the thread that made the primitive.
dnnl::primitive_attr own_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

// Memory of the calling thread, kept for its next convolution and handed out piece by piece.
class Scratch {
 public:
  explicit Scratch(std::initializer_list<Layout> layouts) {
    std::size_t bytes = 0;
    for (const Layout& each : layouts) bytes += padded(each);
    thread_local AlignedVector<std::byte> memory;
    if (memory.size() < bytes) memory.resize(bytes);
    next_ = memory.data();
  }
  dnnl::memory take(const Layout& of) {
    std::byte* const start = next_;
    next_ += padded(of);
    return {of, cpu(), start};
  }

 private:
  static std::size_t padded(const Layout& of) {
    return (of.get_size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  std::byte* next_;
};

dnnl::memory wrap(const Layout& of, const float* values) {
  return {of, cpu(), const_cast<float*>(values)};  // oneDNN's handles know no const
}

// Values in the layout of the outside, in the one that a primitive works in, and the way between:
// nothing where the two agree.
struct Edge {
  Layout outside, inside;
  dnnl::reorder in, out;
  std::size_t block = 0;  // of an image's channels, if that is all that differs

  Edge(const Layout& outer, const Layout& inner) : outside(outer), inside(inner) {
    if (same()) return;
    in = dnnl::reorder(dnnl::reorder::primitive_desc(cpu(), outer, cpu(), inner));
    out = dnnl::reorder(dnnl::reorder::primitive_desc(cpu(), inner, cpu(), outer));
    if (outer.dims().size() != 4) return;
    if (inner == layout(outer.dims(), Tag::nChw16c)) block = 16;
    if (inner == layout(outer.dims(), Tag::nChw8c)) block = 8;
  }
  bool same() const { return outside == inside; }
};

// One tensor of a running primitive.
class Passage {
 public:
  Passage(const Edge& edge, const float* values, Scratch& scratch)
      : edge_(edge),
        outer_(wrap(edge.outside, values)),
        inner_(edge.same() ? outer_ : scratch.take(edge.inside)) {}

  const dnnl::memory& inner() const { return inner_; }
  void move_to(const float* values) {
    outer_.set_data_handle(const_cast<float*>(values), stream());
    if (edge_.same()) inner_.set_data_handle(outer_.get_data_handle(), stream());
  }
  void carry_in() {
    if (!edge_.same()) edge_.in.execute(stream(), outer_, inner_);
  }
  void carry_out() {
    if (edge_.same()) return;
    if (edge_.block == 0) {
      edge_.out.execute(stream(), inner_, outer_);
      return;
    }
    const Dims dims = edge_.outside.dims();
    unpack_channels(static_cast<const float*>(inner_.get_data_handle()), edge_.block,
                    static_cast<std::size_t>(dims[1]), static_cast<std::size_t>(dims[2] * dims[3]),
                    static_cast<float*>(outer_.get_data_handle()));
  }

 private:
  const Edge& edge_;
  dnnl::memory outer_, inner_;
};

struct Forward {
  dnnl::convolution_forward primitive;
  Edge x, w, b, y;
  Layout scratchpad;
};

struct BackwardData {
  dnnl::convolution_backward_data primitive;
  Edge dx, w, dy;
  Layout scratchpad;
};

struct BackwardWeights {
  dnnl::convolution_backward_weights primitive;
  Edge x, dw, db, dy;
  Layout scratchpad;
};

template <class F>
auto reporting(F f) {
  const OneOpenMpThread guard;
  try {
    return f();
  } catch (const dnnl::error& error) {
    throw Error(fmt::format("convolution: oneDNN reports {} (status {})", error.what(),
                            static_cast<int>(error.status)));
  }
}

// Made once, by whichever thread comes first.
template <class T>
class Lazy {
 public:
  template <class Make>
  const T& get(Make make) {
    std::call_once(once_, [&] { value_.emplace(make()); });
    return *value_;
  }

 private:
  std::once_flag once_;
  std::optional<T> value_;
};

}  // namespace

// For one sample each: as fast as for many, and a row has the same bits in any slice.
struct Convolution::Primitives {
  Primitives(const ImageShape& image_shape, const Window& window, std::size_t filters,
             std::size_t groups)
      : image(image_shape),
        output{filters, windows_along(image.height, window), windows_along(image.width, window)},
        x{1, dimension(image.channels), dimension(image.height), dimension(image.width)},
        w{dimension(groups), dimension(filters / groups), dimension(image.channels / groups),
          dimension(window.size), dimension(window.size)},
        b{dimension(filters)},
        y{1, dimension(filters), dimension(output.height), dimension(output.width)},
        strides{dimension(window.stride), dimension(window.stride)},
        before{dimension(window.padding), dimension(window.padding)},
        after{behind(image.height, window), behind(image.width, window)},
        weights(filters * (image.channels / groups) * window.size * window.size) {}

  // oneDNN wants exactly the padding that the last window needs.
  static dnnl::memory::dim behind(std::size_t extent, const Window& window) {
    const std::size_t span = (windows_along(extent, window) - 1) * window.stride + window.size;
    return dimension(span) - dimension(extent) - dimension(window.padding);
  }

  dnnl::convolution_forward::primitive_desc forward_description() const {
    const dnnl::convolution_forward::desc description(
        dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, layout(x, Tag::any),
        layout(w, Tag::any), layout(b, Tag::x), layout(y, Tag::any), strides, before, after);
    return {description, own_scratchpad(), cpu()};
  }
  Forward make_forward() const {
    const auto p = forward_description();
    return {dnnl::convolution_forward(p),
            {layout(x, Tag::nchw), p.src_desc()},
            {layout(w, Tag::goihw), p.weights_desc()},
            {layout(b, Tag::x), p.bias_desc()},
            {layout(y, Tag::nchw), p.dst_desc()},
            p.scratchpad_desc()};
  }
  BackwardData make_backward_data() const {
    const dnnl::convolution_backward_data::desc description(
        dnnl::algorithm::convolution_direct, layout(x, Tag::any), layout(w, Tag::any),
        layout(y, Tag::any), strides, before, after);
    const dnnl::convolution_backward_data::primitive_desc p(description, own_scratchpad(), cpu(),
                                                            forward_description());
    return {dnnl::convolution_backward_data(p),
            {layout(x, Tag::nchw), p.diff_src_desc()},
            {layout(w, Tag::goihw), p.weights_desc()},
            {layout(y, Tag::nchw), p.diff_dst_desc()},
            p.scratchpad_desc()};
  }
  BackwardWeights make_backward_weights() const {
    const dnnl::convolution_backward_weights::desc description(
        dnnl::algorithm::convolution_direct, layout(x, Tag::any), layout(w, Tag::any),
        layout(b, Tag::x), layout(y, Tag::any), strides, before, after);
    const dnnl::convolution_backward_weights::primitive_desc p(description, own_scratchpad(), cpu(),
                                                               forward_description());
    return {dnnl::convolution_backward_weights(p),          {layout(x, Tag::nchw), p.src_desc()},
            {layout(w, Tag::goihw), p.diff_weights_desc()}, {layout(b, Tag::x), p.diff_bias_desc()},
            {layout(y, Tag::nchw), p.diff_dst_desc()},      p.scratchpad_desc()};
  }

  ImageShape image, output;
  Dims x, w, b, y, strides, before, after;
  std::size_t weights;
  Lazy<Forward> forward;
  Lazy<BackwardData> backward_data;
  Lazy<BackwardWeights> backward_weights;
};

Convolution::Convolution(const ImageShape& image, const Window& window, std::size_t filters,
                         std::size_t groups)
    : primitives_(std::make_unique<Primitives>(image, window, filters, groups)) {}

Convolution::~Convolution() = default;

ImageShape Convolution::output() const { return primitives_->output; }

std::size_t Convolution::weights() const { return primitives_->weights; }

void Convolution::forward(std::span<const float> w, std::span<const float> b, ConstTensorView x,
                          TensorView<float> y) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_sizes("convolution bias", output().channels, {b.size()});
  check_shape("convolution", {x.rows(), primitives_->image.size()}, x.shape());
  check_shape("convolution", {x.rows(), output().size()}, y.shape());
  reporting([&] {
    const Forward& f = primitives_->forward.get([&] { return primitives_->make_forward(); });
    Scratch scratch{f.x.inside, f.w.inside, f.b.inside, f.y.inside, f.scratchpad};
    Passage input(f.x, x.data(), scratch);
    Passage weight(f.w, w.data(), scratch);
    Passage bias(f.b, b.data(), scratch);
    Passage result(f.y, y.data(), scratch);
    const dnnl::memory scratchpad = scratch.take(f.scratchpad);
    weight.carry_in();
    bias.carry_in();
    for (std::size_t i = 0; i < x.rows(); ++i) {
      input.move_to(x.row(i).data());
      result.move_to(y.row(i).data());
      input.carry_in();
      f.primitive.execute(stream(), {{DNNL_ARG_SRC, input.inner()},
                                     {DNNL_ARG_WEIGHTS, weight.inner()},
                                     {DNNL_ARG_BIAS, bias.inner()},
                                     {DNNL_ARG_DST, result.inner()},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
      result.carry_out();
    }
  });
}

void Convolution::backward(std::span<const float> w, ConstTensorView dy,
                           TensorView<float> dx) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_shape("convolution", {dy.rows(), primitives_->image.size()}, dx.shape());
  check_shape("convolution", {dy.rows(), output().size()}, dy.shape());
  reporting([&] {
    const BackwardData& f =
        primitives_->backward_data.get([&] { return primitives_->make_backward_data(); });
    Scratch scratch{f.dx.inside, f.w.inside, f.dy.inside, f.scratchpad};
    Passage result(f.dx, dx.data(), scratch);
    Passage weight(f.w, w.data(), scratch);
    Passage input(f.dy, dy.data(), scratch);
    const dnnl::memory scratchpad = scratch.take(f.scratchpad);
    weight.carry_in();
    for (std::size_t i = 0; i < dy.rows(); ++i) {
      input.move_to(dy.row(i).data());
      result.move_to(dx.row(i).data());
      input.carry_in();
      f.primitive.execute(stream(), {{DNNL_ARG_DIFF_DST, input.inner()},
                                     {DNNL_ARG_WEIGHTS, weight.inner()},
                                     {DNNL_ARG_DIFF_SRC, result.inner()},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
      result.carry_out();
    }
  });
}

void Convolution::add_gradient(ConstTensorView x, ConstTensorView dy, std::span<float> dw,
                               std::span<float> db) const {
  check_sizes("convolution weights", weights(), {dw.size()});
  check_sizes("convolution bias", output().channels, {db.size()});
  check_shape("convolution", {x.rows(), primitives_->image.size()}, x.shape());
  check_shape("convolution", {x.rows(), output().size()}, dy.shape());
  reporting([&] {
    const BackwardWeights& f =
        primitives_->backward_weights.get([&] { return primitives_->make_backward_weights(); });
    Scratch scratch{f.x.inside,  f.dw.inside,  f.db.inside, f.dy.inside, f.scratchpad,
                    f.dw.inside, f.dw.outside, f.db.inside, f.db.outside};
    Passage input(f.x, x.data(), scratch);
    Passage gradient(f.dy, dy.data(), scratch);
    const dnnl::memory one_w = scratch.take(f.dw.inside);
    const dnnl::memory one_b = scratch.take(f.db.inside);
    const dnnl::memory sum_w = scratch.take(f.dw.inside);
    const dnnl::memory sum_b = scratch.take(f.db.inside);
    const dnnl::memory scratchpad = scratch.take(f.scratchpad);
    const auto values = [](const dnnl::memory& of) {
      return std::span(static_cast<float*>(of.get_data_handle()),
                       of.get_desc().get_size() / sizeof(float));
    };
    const auto add = [](std::span<const float> from, std::span<float> to) {
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    };
    std::ranges::fill(values(sum_w), 0.0F);
    std::ranges::fill(values(sum_b), 0.0F);
    for (std::size_t i = 0; i < x.rows(); ++i) {
      input.move_to(x.row(i).data());
      gradient.move_to(dy.row(i).data());
      input.carry_in();
      gradient.carry_in();
      f.primitive.execute(stream(), {{DNNL_ARG_SRC, input.inner()},
                                     {DNNL_ARG_DIFF_DST, gradient.inner()},
                                     {DNNL_ARG_DIFF_WEIGHTS, one_w},
                                     {DNNL_ARG_DIFF_BIAS, one_b},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
      add(values(one_w), values(sum_w));
      add(values(one_b), values(sum_b));
    }
    dnnl::memory plain = sum_w;
    if (!f.dw.same()) {
      plain = scratch.take(f.dw.outside);
      f.dw.out.execute(stream(), const_cast<dnnl::memory&>(sum_w), plain);
    }
    add(values(plain), dw);
    add(values(sum_b).first(db.size()), db);
  });
}

}  // namespace gradatim::kernels
