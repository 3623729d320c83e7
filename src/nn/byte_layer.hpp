#pragma once

#include <array>
#include <span>

#include "gradatim/core/amx.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "nn/dense.hpp"
#include "nn/rows.hpp"

namespace gradatim {

/// The first layer of a network, Dense, in training on bytes: its products with a batch, and their
/// memory. Which way they go depends on shapes, the batch and the processor, never on threads.
class ByteLayer {
 public:
  ByteLayer(const DenseOperation& dense, std::size_t max_rows, std::size_t row_tasks);

  /// The share of zeros from which data are better bytes.
  double zeros_that_pay() const;
  /// Takes a batch (rows, inputs), whose bytes stay where they are. False where the products of
  /// floats are quicker.
  bool bind(TensorView<const std::uint8_t> bytes, float scale);
  /// That batch in floats.
  ConstTensorView to_floats();

  // ---- In this order

  /// What can be known of y before its rows are; `tasks` is how many cut the rows otherwise.
  void multiply(std::span<const float> theta, std::size_t tasks, TaskPool& pool);
  void forward(std::span<const float> theta, const RowRange& range, TensorView<float> y) const;
  /// Those rows of dy, in any order; and then the whole of it. Each way needs one of both.
  void pack_gradient_rows(const RowRange& range, ConstTensorView dy);
  void pack_gradient(ConstTensorView dy, TaskPool& pool);
  void parameter_gradient(std::size_t task, ConstTensorView dy, std::span<float> d_theta) const;

  /// Takes what kernels keep for the calling thread.
  void reserve() const;
  std::size_t memory_bytes() const;

 private:
  enum class Way { floats, skipping_zeros, matrix_unit };
  Way way_of(TensorView<const std::uint8_t> bytes) const;
  void multiply_by_unit(std::span<const float> theta, TaskPool& pool);
  void multiply_skipping_zeros(std::span<const float> theta, std::size_t tasks, TaskPool& pool);

  const DenseOperation& dense_;
  std::size_t max_rows_;
  bool has_unit_;

  Tensor floats_;                                        // (max_rows, inputs), of wide layers
  Tensor weight_;                                        // (inputs, packed units)
  Tensor gradient_;                                      // (max_rows, packed units)
  std::array<Tensor, kernels::kByteProducts> products_;  // (max_rows, packed units)
  kernels::amx::Packed unit_gradient_;                   // the same where there is a matrix unit

  // The current batch.
  Way way_ = Way::floats;
  bool has_products_ = false;
  TensorView<const std::uint8_t> bytes_;  // (rows, inputs)
  float scale_ = 1;
};

}  // namespace gradatim
