#include "gradatim/data/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"
#include "gradatim/data/generated.hpp"

namespace gradatim {
namespace {

constexpr std::array<std::string_view, 10> kFashionClasses{
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
constexpr std::array<std::string_view, 2> kFashionMirrors{
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"};

constexpr std::array<std::string_view, 10> kDigitClasses{"0", "1", "2", "3", "4",
                                                         "5", "6", "7", "8", "9"};
constexpr std::array<std::string_view, 2> kDigitMirrors{
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/"};

constexpr std::array<DatasetEntry, 2> kCatalogue{{
    {.name = "fashion-mnist",
     .title = "Fashion-MNIST: 70,000 pictures of clothing, 28 x 28 grey, 10 classes",
     .source = "Zalando SE, github.com/zalandoresearch/fashion-mnist (Xiao, Rasul, Vollgraf, 2017)",
     .licence = "MIT",
     .files = {{{"train-images-idx3-ubyte",
                 "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47'040'016},
                {"train-labels-idx1-ubyte",
                 "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60'008},
                {"t10k-images-idx3-ubyte",
                 "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7'840'016},
                {"t10k-labels-idx1-ubyte",
                 "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10'008}}},
     .mirrors = kFashionMirrors,
     .class_names = kFashionClasses},
    {.name = "mnist",
     .title = "MNIST: 70,000 handwritten digits, 28 x 28 grey, 10 classes",
     .source = "yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges, 1998)",
     .licence = "CC BY-SA 3.0",
     .files = {{{"train-images-idx3-ubyte",
                 "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47'040'016},
                {"train-labels-idx1-ubyte",
                 "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60'008},
                {"t10k-images-idx3-ubyte",
                 "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7'840'016},
                {"t10k-labels-idx1-ubyte",
                 "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10'008}}},
     .mirrors = kDigitMirrors,
     .class_names = kDigitClasses},
}};

}  // namespace

std::span<const DatasetEntry> catalogue() { return kCatalogue; }

const DatasetEntry& find_dataset(std::string_view name) {
  const auto found = std::find_if(kCatalogue.begin(), kCatalogue.end(),
                                  [&](const DatasetEntry& entry) { return entry.name == name; });
  if (found != kCatalogue.end()) return *found;
  for (const GeneratedDataset& generated : generated_datasets())
    if (generated.name == name)
      throw InvalidArgument(
          fmt::format("dataset '{}' is generated: there are no files of it to fetch", name));
  std::vector<std::string_view> names;
  names.reserve(kCatalogue.size() + generated_datasets().size());
  for (const DatasetEntry& entry : kCatalogue) names.push_back(entry.name);
  for (const GeneratedDataset& generated : generated_datasets()) names.push_back(generated.name);
  throw InvalidArgument(fmt::format("unknown dataset '{}'{}", name, did_you_mean(name, names)));
}

}  // namespace gradatim
