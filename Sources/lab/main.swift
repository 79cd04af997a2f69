import Glibc
import Server

StandardStream.secure()
exit(Lab.run(Array(CommandLine.arguments.dropFirst())))
