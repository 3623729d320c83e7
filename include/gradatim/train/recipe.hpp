#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "gradatim/data/hold_out.hpp"
#include "gradatim/data/table.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/train/train.hpp"

namespace gradatim {

/// Everything that decides the outcome of a training run, as a file says it:
///
///     data = "fashion-mnist"        # a name of the catalogue, or a file: "houses.csv"
///     table = { targets = ["price"], ignore = ["id"], test = 0.2 }  # of such a file: columns, and
///                                   # the share of the rows that is for testing
///     input = [784]                 # the shape of one sample
///     layers = [                    # or a [[layers]] section each
///       { kind = "dense", units = 50, weight = "he" },
///       "relu",                     # short for { kind = "relu" }
///       { kind = "dense", units = 10 },
///     ]
///     loss = "softmax_cross_entropy"
///     gradient = "backprop"         # or "numerical", "dual", "tape"
///     optimizer = { kind = "sgd", learning_rate = 0.1 }
///     schedule = { kind = "cosine", final = 0.01 }
///     warmup = 500                  # steps
///     clipping = { kind = "global_norm", limit = 1.0 }
///     weight_decay = { kind = "l2", rate = 0.0001 }
///     no_decay = ["bias", "dense2"] # tensors, layers or roles
///     batch = 100                   # samples in memory at a time
///     accumulation = 1              # batches whose mean gradient makes a step
///     steps = 10000                 # or epochs = 16
///     sampling = "with_replacement" # or "shuffled_epochs"
///     seed = 1
///     validation = { fraction = 0.1 }  # or count: of the training samples, held out by the seed
///     early_stopping = { patience = 5, min_delta = 0.0, monitor = "loss" }  # or "score"
///     average = { decay = 0.999 }   # of the weights, for evaluation and the model
///     class_weights = "balanced"    # or "equal", or { kind = "listed", weights = [1.0, 2.5] }
///     augmentation = { shift = 2, rotate = 10, scale = 0.1, flip = 0.5 }  # and erase, erase_size
///     evaluation = { train_samples = 10000 }    # scored behind each epoch; 0: all
///     checkpoints = { every = 0, keep = 2 }     # steps, 0: each epoch; how many are kept
///
/// data, input and layers are required; the rest has the defaults of TrainOptions. Features, and
/// targets that are numbers to come close to, are scaled to mean 0 and deviation 1 over the
/// training samples (load_recipe_data): the loss and Huber's delta are in those units.
/// src/train/recipe_schema.hpp lists all keys and their ranges.
struct Recipe {
  std::string name;  // of the run folder; the file's, unless it says otherwise
  std::string description;
  std::string data;
  TableOptions table;  // of data that is a table file
  Network network;
  TrainOptions options;    // but for threads, which change no result and are not in the file
  HoldOut validation;      // of the training samples
  std::size_t epochs = 0;  // unless 0, options.steps is what resolve() makes of it
  friend bool operator==(const Recipe&, const Recipe&) = default;
};

/// A value that replaces one of the recipe: "optimizer.learning_rate=0.05", "layers.0.units=100".
/// The value is TOML; a bare word is taken as a string. Four letters or more of a key's first word
/// stand for the one key that begins so: "optim.learning_rate". Setting another `kind` clears the
/// other keys of its table, and setting one of steps and epochs clears the other.
struct Setting {
  std::string text;
  std::string origin;  // how an error calls it: "--lr 0.05"
};

/// Throws InvalidArgument with file, line and column (or the setting's origin), the key, what was
/// expected and what came, for unknown keys and kinds with the nearest that exists; also for more
/// than 1 MiB, keys of more than 16 dotted parts, and a network that takes more than 64 KiB to
/// describe. DataError if the file can't be read.
Recipe read_recipe(const std::filesystem::path& path, std::span<const Setting> settings = {});

/// The same from text; `name` stands for the file in errors.
Recipe parse_recipe(std::string_view text, std::string_view name,
                    std::span<const Setting> settings = {});

/// The recipe as a file that reads back as the same recipe (threads left out; bytes of a text that
/// are not UTF-8 become U+FFFD).
std::string to_toml(const Recipe& recipe);

/// options.steps from epochs, for so many samples to train on (those held out are not among them);
/// epochs is 0 afterwards.
Recipe resolve(Recipe recipe, std::size_t train_samples);

/// The file of a recipe given by path (it has a slash or ends in .toml) or by name: the first
/// FOLDER/NAME.toml. Throws InvalidArgument, for a name with the nearest that exists.
std::filesystem::path find_recipe(std::string_view name_or_path,
                                  std::span<const std::filesystem::path> folders);

/// A network alone, as a recipe's `input` and `layers`.
std::string to_toml(const Network& network);
/// Throws as parse_recipe, and for more than 64 KiB.
Network parse_network(std::string_view text, std::string_view name);

}  // namespace gradatim
