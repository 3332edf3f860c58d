"""Super-resolution as an algorithm of QGIS' Processing toolbox.

Processing > Toolbox > Python icon > Add script to toolbox takes this file. It runs eval_superres_net as a process of its
own: nothing is installed into QGIS' Python, and a program that runs out of memory does not take QGIS with it.
"""

import os
import re
import shlex
import shutil
import subprocess

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import Qt

PROGRAM = "eval_superres_net"
PERCENT = re.compile(r"^ +(\d+\.\d) %")


class SuperResolve(QgsProcessingAlgorithm):
    FACTORS = ["2", "3", "4"]

    def name(self):
        return "superresolve"

    def displayName(self):
        return "Super-resolve"

    def group(self):
        return "superres"

    def groupId(self):
        return "superres"

    def shortHelpString(self):
        return (
            "Enlarges a TIFF scene by 2, 3 or 4 with eval_superres_net. The result lies where the scene lies and has "
            "its sample type, no-data and metadata.\n\n"
            "More options, as on the command line: --max_memory 1GB, --colour_mode per_band, --value_range 0,10000 "
            "(eval_superres_net --help tells them all). A run that was cancelled goes on when it is started again "
            "with the same output file."
        )

    def createInstance(self):
        return SuperResolve()

    def initAlgorithm(self, config=None):
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Scene"))
        self.addParameter(QgsProcessingParameterEnum("FACTOR", "Factor", self.FACTORS, defaultValue=0))
        self.addParameter(
            QgsProcessingParameterBoolean("COG", "Cloud Optimized GeoTIFF, with overviews", defaultValue=True)
        )
        self.addParameter(QgsProcessingParameterString("OPTIONS", "More options", "", optional=True))
        self.addParameter(
            QgsProcessingParameterFile(
                "PROGRAM", "eval_superres_net, if it is not found by itself", optional=True
            )
        )
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Result"))

    def checkParameterValues(self, parameters, context):
        program = self.parameterAsFile(parameters, "PROGRAM", context) or shutil.which(PROGRAM)
        if not program or not os.access(program, os.X_OK):
            return False, f"{program or PROGRAM} cannot be run; name the program's file"
        scene = self.parameterAsRasterLayer(parameters, "INPUT", context)
        if scene is not None and not os.path.isfile(scene.source()):
            return False, f"{scene.source()} is no file; save the layer as a GeoTIFF first"
        return super().checkParameterValues(parameters, context)

    def processAlgorithm(self, parameters, context, feedback):
        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        command = [
            self.parameterAsFile(parameters, "PROGRAM", context) or shutil.which(PROGRAM),
            "--data_path",
            self.parameterAsRasterLayer(parameters, "INPUT", context).source(),
            "--out_file",
            output,
            "--upsampling_factor",
            self.FACTORS[self.parameterAsEnum(parameters, "FACTOR", context)],
        ]
        if self.parameterAsBool(parameters, "COG", context):
            command.append("--cog")
        command += shlex.split(self.parameterAsString(parameters, "OPTIONS", context))
        feedback.pushCommandInfo(" ".join(command))
        status = self.run_and_tell(command, feedback)
        if feedback.isCanceled():
            return {}
        if status != 0:
            raise QgsProcessingException(f"{PROGRAM} ended with status {status}; its last line says why")
        return {"OUTPUT": output}

    @staticmethod
    def run_and_tell(command, feedback):
        """Runs it, passes on its lines and its progress, and stops it where the user cancels."""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            stop = process.terminate
            feedback.canceled.connect(stop, Qt.DirectConnection)  # this thread waits for lines
            for line in process.stdout:
                percent = PERCENT.match(line)
                if percent:
                    feedback.setProgress(float(percent.group(1)))
                elif "error:" in line:
                    feedback.reportError(line.rstrip())
                else:
                    feedback.pushInfo(line.rstrip())
        feedback.canceled.disconnect(stop)
        return process.returncode
