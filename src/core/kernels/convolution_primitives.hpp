#pragma once

#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <memory>
#include <mutex>

#include "core/kernels/channel_blocks.hpp"
#include "core/kernels/one_openmp_thread.hpp"
#include "gradatim/core/convolution.hpp"
#include "gradatim/core/error.hpp"

/// oneDNN's primitives of a convolution and the ways in and out of the layouts they like.
namespace gradatim::kernels {

using Dims = dnnl::memory::dims;
using Layout = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

inline dnnl::memory::dim dimension(std::size_t n) { return static_cast<dnnl::memory::dim>(n); }

inline const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline dnnl::stream& stream() {
  thread_local dnnl::stream stream(cpu());
  return stream;
}

inline Layout layout(const Dims& dims, Tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}

// The scratchpad is ours: oneDNN's own belongs to the thread that made the primitive.
inline dnnl::primitive_attr own_scratchpad() {
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

inline dnnl::memory wrap(const Layout& of, const float* values) {
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
decltype(auto) reporting(F f) {
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
    std::call_once(once_, [&] { value_ = std::make_unique<const T>(make()); });
    return *value_;
  }

 private:
  std::once_flag once_;
  std::unique_ptr<const T> value_;
};

// For one sample each: as fast as for many, and a row has the same bits in any slice.
struct Convolution::Primitives {
  Primitives(const ImageShape& image_shape, const Window& image_window, std::size_t filters,
             std::size_t groups)
      : image(image_shape),
        window(image_window),
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
  // Also for who runs nothing: a primitive is made for one thread as well.
  std::size_t result_block() {
    return reporting([&] {
      const Edge& edge = forward.get([&] { return make_forward(); }).y;
      return edge.block == 0 ? std::size_t{1} : edge.block;
    });
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

  ImageShape image;
  Window window;
  ImageShape output;
  Dims x, w, b, y, strides, before, after;
  std::size_t weights;
  Lazy<Forward> forward;
  Lazy<BackwardData> backward_data;
  Lazy<BackwardWeights> backward_weights;
};

}  // namespace gradatim::kernels
