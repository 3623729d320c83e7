#include "gradatim/core/convolution.hpp"

#include <algorithm>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_primitives.hpp"

namespace gradatim::kernels {

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
