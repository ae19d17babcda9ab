"""Flask extensions as objects without an application; ``idp.app`` binds them.

Design §3: beside the surfaces, below nothing but them.
"""

from flask_wtf.csrf import CSRFProtect

from idp.web.locales import CatalogueBabel

babel = CatalogueBabel()
csrf = CSRFProtect()
