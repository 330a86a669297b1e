import Glibc
import Worker

exit(Worker.program(CommandLine.arguments))
