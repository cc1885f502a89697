#pragma once

#include <string>

// Where the program itself lies: what is shipped beside it is found there. Any thread.
namespace slip {

std::string program_folder();  // "" when the kernel doesn't tell.

}  // namespace slip
