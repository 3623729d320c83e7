#pragma once

#include <memory>
#include <string>

#include "gradatim/nn/operation.hpp"

/// How each layer description becomes an operation. `label` opens the message of a ShapeError.
namespace gradatim {

class DenseOperation;

std::unique_ptr<const Operation> make_operation(const Dense& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Sigmoid& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Relu& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Tanh& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Softmax& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const LeakyRelu& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Gelu& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Silu& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Softplus& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Flatten& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Conv2d& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const MaxPool2d& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const AvgPool2d& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const GlobalAvgPool& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Dropout& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Residual& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const LayerNorm& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const BatchNorm& layer, const Shape& input,
                                                const std::string& label);
std::unique_ptr<const Operation> make_operation(const Custom& layer, const Shape& input,
                                                const std::string& label);

/// Throws InvalidArgument if a batch has fewer rows than the rule can make sums of.
void check_batch_rows(const BatchRule& rule, const Network& network, std::size_t layer,
                      std::size_t rows);

/// A power of two, at most 8, that cuts `items` into pieces of at least `grain` items and 2^20
/// floating point operations each: a function of shapes only, so the same for any thread count.
std::size_t tasks_for(std::size_t items, std::size_t grain, std::size_t operations_per_item);

}  // namespace gradatim
