import Glibc
import Worker

exit(WorkerProgram.program(CommandLine.arguments))
