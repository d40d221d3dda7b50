# The entry point: everything is in modules, which are compiled ahead; a script never is.
import danbi_lambda

danbi_lambda.main()
